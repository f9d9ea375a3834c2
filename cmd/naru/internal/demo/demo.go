// Package demo is the verb "naru demo": a shop with two gRPC services to try things on, and a tour
// that shows what crosses the wire when it is called.
//
// The verb starts these goroutines, and all have ended when it returns:
//
//   - one that serves; it ends when the server is shut down or closed, and run waits for it;
//   - one inside Shutdown while the server drains; drain ends and awaits it.
package demo

import (
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

const long = `Starts the shop: the services ecommerce.ProductInfo and ecommerce.OrderManagement, with health
checks and reflection beside them, on one port. Browsers and curl can call them too, by gRPC-Web and
Connect. Orders are kept in an SQLite file.

Ctrl-C drains: new calls are refused, those under way may finish. A second Ctrl-C ends at once.

With --tour, a client calls the shop in every way gRPC has, and each step is printed with the
frames, headers and sizes that crossed the wire.`

const example = `  naru demo
  naru demo --addr localhost:0 --data shop.db
  naru demo --tls
  naru demo --tour`

// options are the flags.
type options struct {
	addr     string
	data     string
	tls      bool
	tour     bool
	drain    time.Duration
	logLevel string
}

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Run a shop to try gRPC on, or a tour of what crosses the wire",
		Long:    long,
		Example: example,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.tour && !cmd.Flags().Changed("addr") {
				o.addr = "127.0.0.1:0" // nobody but the tour needs to find it
			}
			return run(cmd.Context(), env, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.addr, "addr", ":50051", "listen on this `host:port`; no host means every interface, port 0 an unused one")
	f.StringVar(&o.data, "data", "", "keep the orders in this SQLite `file` (default: a temporary one, removed at the end)")
	f.BoolVar(&o.tls, "tls", false, "serve with TLS, with a certificate made for the occasion")
	f.BoolVar(&o.tour, "tour", false, "call the shop in every way, print what crosses the wire, and end")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "wait this `long` for calls under way when told to end; 0: not at all")
	f.StringVar(&o.logLevel, "log-level", "warn", "log to stderr from this `level` on: debug, info (every call), warn, error or off")
	return cmd
}

// validate finds mistakes in the command line, and returns the level to log from.
func (o *options) validate() (slog.Level, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warn": slog.LevelWarn, "error": slog.LevelError, "off": slog.LevelError + 1}
	level, ok := levels[strings.ToLower(o.logLevel)]
	switch {
	case !ok:
		return 0, cli.Usagef("--log-level %s: want debug, info, warn, error or off", o.logLevel)
	case o.drain < 0:
		return 0, cli.Usagef("--drain %v: want a time that is not negative", o.drain)
	case o.tour && o.tls:
		return 0, cli.WithHint(cli.Usagef("--tour shows the frames on the wire, which --tls hides: give one of them"),
			"what the tour shows is the same with TLS")
	}
	return level, nil
}
