// Package root assembles the naru command from its verbs.
package root

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/call"
	"github.com/naru-rpc/naru/cmd/naru/internal/cert"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode"
	"github.com/naru-rpc/naru/cmd/naru/internal/demo"
	"github.com/naru-rpc/naru/cmd/naru/internal/describe"
	"github.com/naru-rpc/naru/cmd/naru/internal/doctor"
	"github.com/naru-rpc/naru/cmd/naru/internal/gen"
	"github.com/naru-rpc/naru/cmd/naru/internal/health"
	"github.com/naru-rpc/naru/cmd/naru/internal/list"
	"github.com/naru-rpc/naru/cmd/naru/internal/policy"
	"github.com/naru-rpc/naru/cmd/naru/internal/version"
	"github.com/naru-rpc/naru/health/narucli"
)

// verbs lists every verb, in the order of the help text.
var verbs = []func(*cli.Env) *cobra.Command{
	list.New,
	describe.New,
	call.New,
	health.New,
	doctor.New,
	decode.New,
	cert.New,
	policy.New,
	gen.New,
	demo.New,
	version.New,
}

// Called runs the command line args of a program that was called by a name. grpc_health_probe, or a
// link of that name to naru, is the health probe with that program's flags and exit codes; any
// other name is [Main].
func Called(ctx context.Context, env *cli.Env, name string, args []string) int {
	base := strings.TrimSuffix(filepath.Base(name), ".exe")
	if base == "grpc_health_probe" || base == "grpc-health-probe" {
		return narucli.Probe(ctx, base, args, env.Stderr)
	}
	return Main(ctx, env, args)
}

// Main runs the command line args (without the program's name) and returns the exit code. What
// failed is on env.Stderr when it returns.
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
		Short: "Call, check and debug gRPC servers, and generate their code",
		Long:  "naru calls, checks and debugs gRPC servers, and generates Go code from .proto files.",
		Example: "  naru list localhost:50051                            the services of a server\n" +
			"  naru call localhost:50051 getProduct value=p1        call one of its methods\n" +
			"  naru gen                                             generate code for the .proto files here",
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
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
