// Package endpoint is how every verb that calls a server reaches it: one set of flags, and one way
// from a target on the command line to a client.
package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/health/narucli"
	"github.com/naru-rpc/naru/limits"
)

// Flags is how to reach a server, as the command line says it.
type Flags struct {
	Plaintext, TLS bool
	CA, Cert, Key  string // PEM files
	ServerName     string
	SPIFFE         string
	SkipVerify     bool
	Authority      string
	UserAgent      string
	Headers        []string // "name: value", with ${VARIABLE}
	Timeout        time.Duration
	ConnectTimeout time.Duration
	MaxMessage     int
	Verbose        bool
	Keepalive      time.Duration
	Trace          bool
}

// Register adds the flags to a verb's.
func (f *Flags) Register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.Plaintext, "plaintext", false, "speak HTTP/2 without TLS; by default it is found out which of the two the server speaks")
	fs.BoolVar(&f.TLS, "tls", false, "speak TLS, and fail if the server does not")
	fs.StringVar(&f.CA, "ca", "", "trust the certificates in this PEM `file` instead of the system's")
	fs.StringVar(&f.Cert, "cert", "", "PEM `file` with the client's certificate, for mutual TLS; needs --key")
	fs.StringVar(&f.Key, "key", "", "PEM `file` with the key of --cert")
	fs.StringVar(&f.ServerName, "server-name", "", "`name` that the server's certificate must have, if it is not the target's")
	fs.StringVar(&f.SPIFFE, "spiffe-id", "", "`spiffe://ID` that the server's certificate must have instead of a host name; needs --ca")
	fs.BoolVar(&f.SkipVerify, "insecure-skip-verify", false, "accept any certificate of the server: for tests alone, since anyone can answer")
	fs.StringVar(&f.UserAgent, "user-agent", "naru", "begin the user-agent header with this `text`")
	fs.StringVar(&f.Authority, "authority", "", "send this :authority `host` instead of the target's")
	fs.StringArrayVarP(&f.Headers, "header", "H", nil, "send metadata, as `\"name: value\"`; ${VARIABLE} is taken from the environment; values of names that end in -bin are base64; repeat for more")
	fs.DurationVar(&f.Timeout, "timeout", 0, "give up after this `time`, such as 500ms or 1m (default none)")
	fs.DurationVar(&f.ConnectTimeout, "connect-timeout", 10*time.Second, "give up connecting after this `time`")
	fs.IntVar(&f.MaxMessage, "max-message", 64<<20, "accept messages of up to this many `bytes`")
	fs.DurationVar(&f.Keepalive, "keepalive", 0, "ping the server when nothing was received for this `time`, at least 1s; servers end connections that ping more often than every 5m without calls, unless they permit it (default 30s)")
	fs.BoolVar(&f.Trace, "trace", false, "print on stderr when connections and calls are made, and what ended them")
	fs.BoolVarP(&f.Verbose, "verbose", "v", false, "print on stderr what was chosen, and the metadata of answers")
}

// Validate returns an error of the command line for flags that contradict each other.
func (f *Flags) Validate() error {
	switch {
	case f.Plaintext && f.TLS:
		return cli.Usagef("--plaintext and --tls exclude each other")
	case f.Plaintext && (f.CA != "" || f.Cert != "" || f.Key != "" || f.ServerName != "" || f.SPIFFE != "" || f.SkipVerify):
		return cli.Usagef("--plaintext has no certificates: leave out --ca, --cert, --key, --server-name, --spiffe-id and --insecure-skip-verify")
	case f.SPIFFE != "" && (f.SkipVerify || f.ServerName != ""):
		return cli.Usagef("--spiffe-id is checked instead of a name: leave out --server-name and --insecure-skip-verify")
	case (f.Cert == "") != (f.Key == ""):
		return cli.Usagef("--cert and --key go together")
	case f.Timeout < 0:
		return cli.Usagef("--timeout %v: want a time above 0", f.Timeout)
	case f.ConnectTimeout <= 0:
		return cli.Usagef("--connect-timeout %v: want a time above 0", f.ConnectTimeout)
	case f.Keepalive != 0 && f.Keepalive < time.Second:
		return cli.Usagef("--keepalive %v: want at least 1s", f.Keepalive)
	case f.MaxMessage <= 0:
		return cli.Usagef("--max-message %d: want a number of bytes above 0", f.MaxMessage)
	}
	return nil
}

// TLSConfig returns the TLS configuration that the flags describe.
func (f *Flags) TLSConfig(env *cli.Env) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: f.ServerName, InsecureSkipVerify: f.SkipVerify}
	if f.CA != "" {
		pem, err := os.ReadFile(env.Path(f.CA))
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s: the file has no certificate in PEM form", f.CA)
		}
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(env.Path(f.Cert), env.Path(f.Key))
		if err != nil {
			return nil, fmt.Errorf("--cert %s, --key %s: %w", f.Cert, f.Key, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if f.SPIFFE != "" {
		checked, err := narucli.RequireSPIFFE(cfg, f.SPIFFE)
		if err != nil {
			return nil, cli.Usagef("--spiffe-id: %v", err)
		}
		return checked, nil
	}
	return cfg, nil
}

// NeedsTLS reports whether a flag makes sense with TLS alone.
func (f *Flags) NeedsTLS() bool {
	return f.TLS || f.CA != "" || f.Cert != "" || f.ServerName != "" || f.SPIFFE != "" || f.SkipVerify
}

// Dial returns a client of the target. A target is host:port, or what naru.NewClient takes.
// Security is found out for host:port and unix sockets unless a flag decides it; other targets need
// --plaintext or get TLS. The caller closes the client.
func (f *Flags) Dial(ctx context.Context, env *cli.Env, target string) (*naru.Client, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	kv, err := f.metadata(env)
	if err != nil {
		return nil, err
	}
	cfg, err := f.TLSConfig(env)
	if err != nil {
		return nil, err
	}
	network, address, known, err := Split(target)
	if err != nil {
		return nil, err
	}
	var t *tracer
	if f.Trace {
		t = newTracer(env.Stderr)
	}
	plaintext := f.Plaintext
	if !plaintext && !f.NeedsTLS() && known {
		if plaintext, err = guess(ctx, network, address, cfg, f.ConnectTimeout); err != nil {
			return nil, cli.WithHint(fmt.Errorf("cannot connect to %s: %w", target, err), "\"naru doctor %s\" examines the way there", target)
		}
		speaks := map[bool]string{true: "plaintext", false: "TLS"}[plaintext]
		if t != nil {
			t.printf("%s speaks %s, as a connection of its own has shown", target, speaks)
		} else if f.Verbose {
			fmt.Fprintf(env.Stderr, "# %s speaks %s\n", target, speaks)
		}
	}
	opts := []naru.ClientOption{
		naru.WithConnectTimeout(f.ConnectTimeout),
		naru.WithLimits(limits.Limits{MaxReceiveMessageSize: f.MaxMessage}),
		naru.WithUserAgent(f.UserAgent),
	}
	if f.Keepalive > 0 {
		opts = append(opts, naru.WithKeepalive(naru.Keepalive{Interval: f.Keepalive, PermittedInterval: f.Keepalive}))
	}
	if t != nil {
		opts = append(opts, t.options()...)
	}
	if plaintext {
		opts = append(opts, naru.WithPlaintext())
	} else {
		opts = append(opts, naru.WithTLS(cfg))
	}
	if f.Authority != "" {
		opts = append(opts, naru.WithAuthority(f.Authority))
	}
	if len(kv) > 0 {
		opts = append(opts, naru.WithMetadata(kv...))
	}
	client, err := naru.NewClient(target, opts...)
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	return client, nil
}

// Context returns ctx with the time limit of the flags.
func (f *Flags) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.Timeout > 0 {
		return context.WithTimeout(ctx, f.Timeout)
	}
	return context.WithCancel(ctx)
}

// metadata returns the pairs of --header.
func (f *Flags) metadata(env *cli.Env) ([]string, error) { return Metadata(env, "--header", f.Headers) }

// Metadata returns the names and values in the arguments of a flag: "name: value".
func Metadata(env *cli.Env, flag string, headers []string) ([]string, error) {
	var kv []string
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || name == "" {
			return nil, cli.WithHint(cli.Usagef("%s %q: want \"name: value\"", flag, h), "for example: %s \"authorization: Bearer ${TOKEN}\"", flag)
		}
		value, err := expand(strings.TrimSpace(value), env.Getenv)
		if err != nil {
			return nil, cli.Usagef("%s %s: %v", flag, name, err)
		}
		if strings.HasSuffix(name, "-bin") {
			if value, err = decodeBase64(value); err != nil {
				return nil, cli.Usagef("%s %s: the value of a name that ends in -bin is base64: %v", flag, name, err)
			}
		}
		kv = append(kv, name, value)
	}
	return kv, nil
}

// expand replaces ${NAME} by the environment's. A variable that is not set is an error: a call
// without its token fails in a way that is harder to see.
func expand(s string, getenv func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "${")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, rest, ok := strings.Cut(after, "}")
		if !ok {
			return "", fmt.Errorf("\"${\" without \"}\"")
		}
		value := getenv(name)
		if value == "" {
			return "", fmt.Errorf("the environment has no variable %s", name)
		}
		b.WriteString(value)
		s = rest
	}
}
