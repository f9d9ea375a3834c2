package cert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// inspectConfig is the command line of "naru cert inspect".
type inspectConfig struct {
	what    string
	name    string
	ca      string
	output  string
	timeout time.Duration
}

const inspectLong = `Explain the certificates, keys and revocation lists of a PEM file, or the certificates a server shows: names, dates,
usage, who signed what, and what a peer would refuse.

Exit codes: 0 nothing is wrong (there may be warnings); 1 something is; 2 the command line is wrong.`

const inspectExample = `  naru cert inspect certs/server.pem
  naru cert inspect server.pem --ca ca.pem --name shop.example     would a client of shop.example take it?
  naru cert inspect shop.example:443                               what a server shows`

func newInspect(env *cli.Env) *cobra.Command {
	var c inspectConfig
	cmd := &cobra.Command{
		Use:     "inspect file|host:port",
		Short:   "Explain the certificates of a file or a server",
		Long:    inspectLong,
		Example: inspectExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("of what? Give a PEM file, - for stdin, or host:port")
			}
			return cli.MaxArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.what = args[0]
			return c.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.name, "name", "", "check that the first certificate is for this `host`; a server's: the one called")
	f.StringVar(&c.ca, "ca", "", "check the signatures against the authorities of this PEM `file`; without it, a server's against the system's")
	f.DurationVar(&c.timeout, "timeout", 10*time.Second, "how `long` to wait for a server")
	f.StringVarP(&c.output, "output", "o", "text", "`form` of the output: text or json")
	return cmd
}

func (c *inspectConfig) run(ctx context.Context, env *cli.Env) error {
	if c.output != "text" && c.output != "json" {
		return cli.Usagef("--output %s: want text or json", c.output)
	}
	if c.timeout <= 0 {
		return cli.Usagef("--timeout %v: want more than 0", c.timeout)
	}
	var roots *x509.CertPool
	if c.ca != "" {
		text, err := os.ReadFile(env.Path(c.ca))
		if err != nil {
			return cli.Usagef("--ca: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(text) {
			return cli.Usagef("--ca %s: no certificate in the file", c.ca)
		}
	}
	b, err := c.read(ctx, env)
	if err != nil {
		return err
	}
	b.check(time.Now())
	if roots != nil || b.live {
		b.checkChain(roots, time.Now())
	}
	if c.name != "" {
		b.checkName(c.name)
	}
	if err := c.print(env, b); err != nil {
		return err
	}
	if b.failures() > 0 {
		return cli.Reported(cli.ExitFailed)
	}
	return nil
}

// maxFile bounds what is read: system bundles have half a megabyte.
const maxFile = 16 << 20

// read gets the certificates from where the command line says.
func (c *inspectConfig) read(ctx context.Context, env *cli.Env) (*bundle, error) {
	if c.what == "-" {
		text, err := io.ReadAll(io.LimitReader(env.Stdin, maxFile))
		if err != nil {
			return nil, err
		}
		return parse("stdin", text)
	}
	f, err := os.Open(env.Path(c.what))
	if err == nil {
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxFile))
		if err != nil {
			return nil, err
		}
		return parse(c.what, text)
	}
	host, _, splitErr := net.SplitHostPort(c.what)
	if splitErr != nil {
		return nil, cli.WithHint(err, "for a server, give host:port")
	}
	if c.name == "" {
		c.name = host
	}
	return c.fetch(ctx)
}

// fetch makes a handshake that accepts everything, to see what there is.
func (c *inspectConfig) fetch(ctx context.Context) (*bundle, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", c.what)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	tc := tls.Client(nc, &tls.Config{ServerName: c.name, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err := tc.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) {
			return nil, cli.WithHint(fmt.Errorf("%s does not speak TLS: %w", c.what, err), "a server in plaintext has no certificate")
		}
		return nil, fmt.Errorf("%s: the TLS handshake failed: %w", c.what, err)
	}
	state := tc.ConnectionState()
	b := &bundle{Source: c.what, live: true, Version: tls.VersionName(state.Version), Protocol: state.NegotiatedProtocol}
	for _, cert := range state.PeerCertificates {
		b.add(cert)
	}
	if b.Protocol != "h2" {
		b.find(warning, "the server chose %q by ALPN, not h2: gRPC clients do not connect", b.Protocol)
	}
	return b, nil
}

func (c *inspectConfig) print(env *cli.Env, b *bundle) error {
	if c.output == "json" {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(b)
	}
	var s strings.Builder
	b.text(&s, cli.NewStyle(env.ColorOut))
	_, err := io.WriteString(env.Stdout, s.String())
	return err
}
