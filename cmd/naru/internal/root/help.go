package root

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// helpVerb returns "naru help".
func helpVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "help [verb]",
		Short: "Print the help of a verb",
		Args:  cli.MaxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Root().Help()
			}
			for _, verb := range cmd.Root().Commands() {
				if verb.Name() == args[0] {
					return verb.Help()
				}
			}
			return unknownVerb(cmd.Root(), args)
		},
	}
}

// writeHelp is what --help prints, for the command as a whole and for a verb.
func writeHelp(w io.Writer, style cli.Style, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	// Cobra gives every command a --help, which whoever reads this has found.
	if flag := cmd.Flags().Lookup("help"); flag != nil {
		flag.Hidden = true
	}
	fmt.Fprintf(w, "%s\n\n%s %s\n", text, style.Strong("Usage:"), cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		writeVerbs(w, style, cmd)
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\n%s\n%s\n", style.Strong("Examples:"), strings.TrimRight(cmd.Example, "\n"))
	}
	if usages := cmd.LocalFlags().FlagUsagesWrapped(helpWidth); usages != "" {
		fmt.Fprintf(w, "\n%s\n%s", style.Strong("Flags:"), usages)
	}
}

// helpWidth is where the text of flags is broken.
const helpWidth = 110

func writeVerbs(w io.Writer, style cli.Style, cmd *cobra.Command) {
	fmt.Fprintf(w, "\n%s\n", style.Strong("Verbs:"))
	width := 0
	for _, verb := range cmd.Commands() {
		width = max(width, len(verb.Name()))
	}
	for _, verb := range cmd.Commands() {
		if verb.IsAvailableCommand() {
			fmt.Fprintf(w, "  %-*s  %s\n", width, verb.Name(), verb.Short)
		}
	}
	fmt.Fprintf(w, "\nRun %q for more about a verb. Exit codes: 0 done; 1 failed, or a check found something;\n"+
		"2 the command line is wrong; 64 and above: 64 plus the gRPC status code of a failed call.\n", cmd.Name()+" help <verb>")
}
