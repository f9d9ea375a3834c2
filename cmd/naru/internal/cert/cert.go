// Package cert is the verb "naru cert": certificates for development, and what is in a file or at a
// server.
package cert

import (
	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

const long = `Make certificates for development, and explain those of a file or a server.

"naru cert dev" makes an authority, and a server's and a client's certificate signed by it. "naru cert inspect"
shows what certificates, keys and revocation lists there are, and what a peer would refuse.`

const example = `  naru cert dev                          certs/ for localhost
  naru cert inspect certs/server.pem     names, dates, and what would fail`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cert",
		Short:   "Make certificates for development, and explain certificates",
		Long:    long,
		Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.WithHint(cli.Usagef("naru cert has no command %q", args[0]), "want dev or inspect")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDev(env), newInspect(env))
	return cmd
}
