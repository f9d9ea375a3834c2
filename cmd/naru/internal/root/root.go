// Package root assembles the naru command from its verbs.
package root

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/call"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/demo"
	"github.com/naru-rpc/naru/cmd/naru/internal/describe"
	"github.com/naru-rpc/naru/cmd/naru/internal/gen"
	"github.com/naru-rpc/naru/cmd/naru/internal/list"
	"github.com/naru-rpc/naru/cmd/naru/internal/version"
)

// verbs lists every verb, in the order of the help text.
var verbs = []func(*cli.Env) *cobra.Command{
	list.New,
	describe.New,
	call.New,
	gen.New,
	demo.New,
	version.New,
}

// Main runs the command line args (without the program's name) and returns the exit code. What failed is on
// env.Stderr when it returns.
func Main(ctx context.Context, env *cli.Env, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			code = finish(env, cli.Bug(r))
		}
	}()
	cmd := newCommand(env)
	cmd.SetArgs(args)
	return finish(env, cmd.ExecuteContext(ctx))
}

// finish tells about err, if it is one, and returns its exit code.
func finish(env *cli.Env, err error) int {
	if err != nil {
		cli.PrintError(env.Stderr, env.Color, err)
	}
	return cli.Code(err)
}

func newCommand(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "naru <verb> [arguments]",
		Short: "gRPC's toolbox in one command",
		Long:  "naru is gRPC's toolbox in one command.",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// Errors are printed once, by Main, and a wrong flag is no reason to print a page of help.
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		DisableFlagsInUseLine:      true,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	cmd.SetIn(env.Stdin)
	cmd.SetOut(env.Stdout)
	cmd.SetErr(env.Stderr)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.WithHint(cli.Usagef("%s: %w", cmd.CommandPath(), err), "%q lists the flags", cmd.CommandPath()+" --help")
	})
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(env.Stdout, cli.NewStyle(env.ColorOut), cmd) })
	cmd.SetHelpCommand(helpVerb())
	for _, verb := range verbs {
		cmd.AddCommand(verb(env))
	}
	return cmd
}

// unknownVerb is the root's argument check: whatever is not a verb ends here.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := cli.Usagef("there is no verb %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return cli.WithHint(err, "did you mean %q?", cmd.Name()+" "+near[0])
	}
	return cli.WithHint(err, "%q lists the verbs", cmd.Name()+" help")
}
