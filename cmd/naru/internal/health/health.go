// Package health is the verb "naru health": asks a server whether it is fit to take calls.
package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/endpoint"
	"github.com/naru-rpc/naru/cmd/naru/internal/schema"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/status"
)

// config is the command line of the verb.
type config struct {
	endpoint endpoint.Flags
	output   string
	watch    bool
	wait     bool
	until    string
	list     bool
	compress string
	target   string
	service  string
}

const long = `Ask a server for its health, by gRPC's health checking protocol.

Without a service, the server as a whole is asked. --watch prints the status each time it changes, until
interrupted. --wait retries until the server can be reached and is SERVING: give it a --timeout in scripts.
--list prints every service that the server reports on.

Exit codes: 0 the status is SERVING (or the one of --for); 1 it is another; 64 plus the status code if the
check failed (69: the server does not know the service, 76: it has no health service, 78: it cannot be
reached); 2 the command line is wrong; 130 interrupted.

If the program is called by the name grpc_health_probe, it takes that program's flags and has its exit codes.`

const example = `  naru health localhost:50051                           the server as a whole
  naru health localhost:50051 ecommerce.ProductInfo     one service
  naru health localhost:50051 --wait --timeout 30s      wait for a server that is starting
  naru health localhost:50051 --for NOT_SERVING         wait until it stops taking calls
  naru health unix:/run/shop.sock --watch`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:     "health host:port [service]",
		Short:   "Check, watch or wait for the health of a server",
		Long:    long,
		Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("which server? Give host:port")
			}
			return cli.MaxArgs(2)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.target = args[0]
			if len(args) > 1 {
				c.service = args[1]
			}
			return run(cmd.Context(), env, &c)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&c.watch, "watch", "w", false, "print the status each time it changes, until interrupted")
	f.BoolVar(&c.wait, "wait", false, "retry until the server is SERVING; best with --timeout")
	f.StringVar(&c.until, "for", "", "the `status` to expect instead of SERVING, and wait for it as --wait does: SERVING, NOT_SERVING or UNREACHABLE")
	f.BoolVarP(&c.list, "list", "l", false, "print the status of every service the server reports on")
	f.StringVarP(&c.output, "output", "o", "text", "`form` of the output: text, or json (a line for each status)")
	f.StringVar(&c.compress, "compress", "", "compress the request by `name`: gzip or zstd")
	c.endpoint.Register(f)
	cmd.ValidArgsFunction = schema.Complete(env, &c.endpoint, &schema.Flags{}, schema.Services)
	return cmd
}

// unreachable is what --for expects of a server that has gone.
const unreachable = "UNREACHABLE"

func (c *config) validate() error {
	if c.until != "" {
		c.wait = true
		c.until = strings.ReplaceAll(strings.ToUpper(c.until), "-", "_")
	}
	modes := 0
	for _, on := range []bool{c.watch, c.wait, c.list} {
		if on {
			modes++
		}
	}
	switch {
	case c.output != "text" && c.output != "json":
		return cli.Usagef("--output %s: want text or json", c.output)
	case modes > 1:
		return cli.Usagef("--watch, --wait (or --for) and --list exclude each other")
	case c.list && c.service != "":
		return cli.Usagef("--list is about every service: leave out %q", c.service)
	case !slices.Contains([]string{"", "SERVING", "NOT_SERVING", unreachable}, c.until):
		return cli.Usagef("--for %s: want SERVING, NOT_SERVING or UNREACHABLE", c.until)
	case !slices.Contains([]string{"", "identity", "gzip", "zstd"}, c.compress):
		return cli.Usagef("--compress %s: want gzip or zstd", c.compress)
	}
	return nil
}

func run(ctx context.Context, env *cli.Env, c *config) error {
	if err := c.validate(); err != nil {
		return err
	}
	ctx, cancel := c.endpoint.Context(ctx)
	defer cancel()
	out := &printer{config: c, env: env}
	if c.wait {
		return c.waitFor(ctx, env, out)
	}
	client, connected, err := c.connect(ctx, env)
	if err != nil {
		return explain(err)
	}
	defer client.Close()
	switch {
	case c.watch:
		return c.follow(ctx, client, out)
	case c.list:
		return c.printAll(ctx, client, out)
	}
	start := time.Now()
	st, err := health.Check(ctx, client, c.service, c.options()...)
	if err != nil {
		return explain(err)
	}
	if err := out.status(c.service, st, connected, time.Since(start)); err != nil {
		return err
	}
	if st != health.Serving {
		return cli.Reported(cli.ExitFailed)
	}
	return nil
}

func (c *config) options() []naru.CallOption {
	if c.compress == "" {
		return nil
	}
	return []naru.CallOption{naru.WithCompression(c.compress)}
}

// connect returns a client that has a connection, and how long that took. The caller closes it.
func (c *config) connect(ctx context.Context, env *cli.Env) (*naru.Client, time.Duration, error) {
	start := time.Now()
	client, err := c.endpoint.Dial(ctx, env, c.target)
	if err != nil {
		return nil, 0, err
	}
	readyCtx, cancel := context.WithTimeout(ctx, c.endpoint.ConnectTimeout)
	defer cancel()
	// The first failure to connect ends the wait, as far as the state shows it; its cause comes
	// with the call.
	client.Connect()
	for state := client.State(); state.String() != "READY" && state.String() != "TRANSIENT_FAILURE"; state = client.State() {
		if !client.WaitForStateChange(readyCtx, state) {
			break
		}
	}
	return client, time.Since(start), nil
}

// follow prints each status until ctx ends or the watch does.
func (c *config) follow(ctx context.Context, client *naru.Client, out *printer) error {
	for st, err := range health.Watch(ctx, client, c.service, c.options()...) {
		if err != nil {
			return explain(err)
		}
		if err := out.change(c.service, st); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (c *config) printAll(ctx context.Context, client *naru.Client, out *printer) error {
	all, err := health.List(ctx, client, c.options()...)
	if status.Code(err) == codes.Unimplemented {
		return cli.WithHint(explain(err), "servers older than 2025 have the check and not the list: ask for one service")
	}
	if err != nil {
		return explain(err)
	}
	if err := out.all(all); err != nil {
		return err
	}
	for _, st := range all {
		if st != health.Serving {
			return cli.Reported(cli.ExitFailed)
		}
	}
	return nil
}

// explain adds what to do about the errors of a check.
func explain(err error) error {
	var st *status.Status
	if s, ok := status.FromError(err); ok {
		st = s
	}
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case st != nil && st.Code() == codes.Unimplemented:
		return cli.WithHint(err, "the server has no health service (grpc.health.v1.Health)")
	case st != nil && st.Code() == codes.NotFound:
		return cli.WithHint(err, "the server reports no status of this service: --list shows those it has")
	case st != nil && st.Code() == codes.Canceled:
		return fmt.Errorf("%w", context.Canceled)
	}
	return err
}
