// Package doctor is the verb "naru doctor": it examines a server from the address to single calls,
// and says for each step what was found and what to do about it.
package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/endpoint"
)

// config is the command line of the verb.
type config struct {
	endpoint   endpoint.Flags
	output     string
	idle       time.Duration
	maxMessage int
	noPings    bool
	target     string
}

const long = `Examine a server and the way to it, and say what is wrong and what to do about it.

Checked are, in this order: the address, a connection to each IP address, TLS (chain, names, dates, ALPN),
HTTP/2 settings and limits, proxies that show themselves, keepalive pings, health, reflection, compression, the
limits of metadata and messages, and the server's clock. Each check is a line with a verdict, the evidence, and
what to do. Later checks are left out when an earlier one failed that they need.

What is sent: a few connections of their own, ten pings on one of them, a hundred calls of the health service at
most, one of them with a request of --max-probe bytes.

Exit codes: 0 no failures (there may be warnings); 1 a failure; 2 the command line is wrong.`

const example = `  naru doctor localhost:50051
  naru doctor shop.example:443 --ca ca.pem
  naru doctor shop.example:443 --idle 5m             also wait for what cuts idle connections
  naru doctor shop.example:443 -o json`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:     "doctor host:port",
		Short:   "Find out what is wrong with a server or the way to it",
		Long:    long,
		Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("which server? Give host:port")
			}
			return cli.MaxArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.target = args[0]
			return run(cmd.Context(), env, &c)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&c.output, "output", "o", "text", "`form` of the report: text or json")
	f.DurationVar(&c.idle, "idle", 0, "keep a connection idle for this `time`, to find what cuts idle connections")
	f.IntVar(&c.maxMessage, "max-probe", 1<<20, "send requests of up to this many `bytes` to find the server's message limit; 0: none")
	f.BoolVar(&c.noPings, "no-pings", false, "leave out the check of keepalive pings")
	c.endpoint.Register(f)
	return cmd
}

func (c *config) validate() error {
	switch {
	case c.output != "text" && c.output != "json":
		return cli.Usagef("--output %s: want text or json", c.output)
	case c.idle < 0:
		return cli.Usagef("--idle %v: want a time that is not negative", c.idle)
	case c.maxMessage < 0 || c.maxMessage > 1<<30:
		return cli.Usagef("--max-probe %d: want a number of bytes from 0 to 1 GiB", c.maxMessage)
	}
	return c.endpoint.Validate()
}

// examination is one run of the verb. Used by one goroutine.
type examination struct {
	*report
	config *config
	tls    *tls.Config // of the flags

	network, address string // the first address that accepts connections
	plaintext        bool   // what it speaks
	headerLimit      int    // what the server announced; 0: nothing
}

func run(ctx context.Context, env *cli.Env, c *config) error {
	if err := c.validate(); err != nil {
		return err
	}
	cfg, err := c.endpoint.TLSConfig(env)
	if err != nil {
		return err
	}
	network, address, known, err := endpoint.Split(c.target)
	if err != nil {
		return err
	}
	if !known {
		return cli.Usagef("the doctor examines host:port and unix:/path, not %s", c.target)
	}
	ctx, cancel := c.endpoint.Context(ctx)
	defer cancel()
	e := &examination{report: &report{env: env, target: c.target, asJSON: c.output == "json"}, config: c, tls: cfg}
	e.examine(ctx, network, address)
	if err := ctx.Err(); err != nil {
		e.add("doctor", failure, "give more --timeout", "ended before every check was made: %v", err)
	}
	return e.finish()
}

// examine makes every check that the ones before it leave possible.
func (e *examination) examine(ctx context.Context, network, address string) {
	e.environment()
	if !e.reach(ctx, network, address) || !e.security(ctx) || !e.protocol(ctx) {
		return
	}
	if !e.config.noPings {
		e.pings(ctx)
	}
	e.idle(ctx)
	e.calls(ctx)
}

// dial opens a connection to the address that works, with TLS if the server speaks it.
func (e *examination) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.endpoint.ConnectTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, e.network, e.address)
	if err != nil || e.plaintext {
		return conn, err
	}
	secured := tls.Client(conn, e.handshakeConfig(true))
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}
