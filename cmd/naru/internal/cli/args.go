package cli

import "github.com/spf13/cobra"

// NoArgs is the cobra.PositionalArgs of a verb that takes none.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return WithHint(Usagef("%s takes no arguments, got %q", cmd.CommandPath(), args[0]),
		"%q lists the flags", cmd.CommandPath()+" --help")
}

// MaxArgs is the cobra.PositionalArgs of a verb that takes at most n.
func MaxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return Usagef("%s takes at most %d arguments, got %d", cmd.CommandPath(), n, len(args))
	}
}
