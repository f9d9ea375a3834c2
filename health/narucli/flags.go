package narucli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// options is a command line of Probe.
type options struct {
	addr, service, userAgent   string
	connectTimeout, rpcTimeout time.Duration
	tls, noVerify              bool
	ca, cert, key, serverName  string
	spiffeID                   string
	headers                    []string // name, value, ...
	gzip, verbose, version     bool
	alts, spiffe               bool
}

// parse reads a command line. The error of -help is flag.ErrHelp, printed already.
func parse(name string, args []string, stderr io.Writer) (*options, error) {
	var o options
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	o.register(fs)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stderr, "Check the health of a gRPC server.\n\nUsage: %s [flags] host:port\n\n", name)
		fs.SetOutput(stderr)
		fs.PrintDefaults()
		fmt.Fprint(stderr, "\nExit codes: 0 SERVING, 1 wrong command line, 2 no connection, 3 the check failed, 4 another status,\n20 no SPIFFE credentials.\n")
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	switch rest := fs.Args(); {
	case len(rest) == 1 && o.addr == "":
		o.addr = rest[0]
	case len(rest) > 0:
		return nil, fmt.Errorf("unexpected argument %q", rest[0])
	}
	return &o, o.validate()
}

func (o *options) register(fs *flag.FlagSet) {
	fs.StringVar(&o.addr, "addr", "", "`host:port` to connect to, or unix:/path; the flag's name may be left out")
	fs.StringVar(&o.service, "service", "", "full `name` of the service to check; without it the server as a whole")
	fs.StringVar(&o.userAgent, "user-agent", "grpc_health_probe", "begin the user-agent header with this `text`")
	fs.DurationVar(&o.connectTimeout, "connect-timeout", time.Second, "give up connecting after this `time`")
	fs.DurationVar(&o.rpcTimeout, "rpc-timeout", time.Second, "give up the check after this `time`")
	fs.Func("rpc-header", "send metadata, as `\"name: value\"`; repeat for more", o.header)
	fs.BoolVar(&o.tls, "tls", false, "use TLS; without it the connection is plaintext")
	fs.BoolVar(&o.noVerify, "tls-no-verify", false, "with -tls: accept any certificate of the server")
	fs.StringVar(&o.ca, "tls-ca-cert", "", "with -tls: trust the certificates of this PEM `file` instead of the system's")
	fs.StringVar(&o.cert, "tls-client-cert", "", "with -tls: PEM `file` with the client's certificate; needs -tls-client-key")
	fs.StringVar(&o.key, "tls-client-key", "", "with -tls: PEM `file` with the key of -tls-client-cert")
	fs.StringVar(&o.serverName, "tls-server-name", "", "with -tls: `name` that the server's certificate must have")
	fs.StringVar(&o.spiffeID, "tls-spiffe-id", "", "with -tls and -tls-ca-cert: `spiffe://ID` that the server's certificate must have, instead of a name")
	fs.BoolVar(&o.gzip, "gzip", false, "compress the request")
	fs.BoolVar(&o.verbose, "v", false, "print what is done and how long it takes")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	fs.BoolVar(&o.alts, "alts", false, "not available: Google's ALTS")
	fs.BoolVar(&o.spiffe, "spiffe", false, "not available: SPIFFE's Workload API; use -tls-client-cert and -tls-spiffe-id")
}

func (o *options) header(text string) error {
	name, value, ok := strings.Cut(text, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if !ok || name == "" {
		return errors.New(`want "name: value"`)
	}
	o.headers = append(o.headers, name, strings.TrimSpace(value))
	return nil
}

// validate finds contradictions. The flags that need -tls are the probe's.
func (o *options) validate() error {
	if o.version || o.spiffe {
		return nil
	}
	needTLS := []struct {
		flag string
		set  bool
	}{
		{"-tls-no-verify", o.noVerify}, {"-tls-ca-cert", o.ca != ""}, {"-tls-client-cert", o.cert != ""},
		{"-tls-client-key", o.key != ""}, {"-tls-server-name", o.serverName != ""}, {"-tls-spiffe-id", o.spiffeID != ""},
	}
	for _, f := range needTLS {
		if f.set && !o.tls {
			return fmt.Errorf("specified %s without specifying -tls", f.flag)
		}
	}
	switch {
	case o.addr == "":
		return errors.New("-addr not specified")
	case o.connectTimeout <= 0:
		return fmt.Errorf("-connect-timeout must be greater than zero (specified: %v)", o.connectTimeout)
	case o.rpcTimeout <= 0:
		return fmt.Errorf("-rpc-timeout must be greater than zero (specified: %v)", o.rpcTimeout)
	case o.cert != "" && o.key == "":
		return errors.New("specified -tls-client-cert without specifying -tls-client-key")
	case o.cert == "" && o.key != "":
		return errors.New("specified -tls-client-key without specifying -tls-client-cert")
	case o.noVerify && o.ca != "":
		return errors.New("cannot specify -tls-ca-cert with -tls-no-verify (CA cert would not be used)")
	case o.noVerify && o.serverName != "":
		return errors.New("cannot specify -tls-server-name with -tls-no-verify (server name would not be used)")
	case o.spiffeID != "" && (o.noVerify || o.serverName != ""):
		return errors.New("cannot specify -tls-spiffe-id with -tls-no-verify or -tls-server-name")
	case o.alts:
		return errors.New("-alts is not available: ALTS works inside Google Cloud only; use -tls")
	}
	if u, bad := unreadable(o.ca, o.cert, o.key); bad != nil {
		return fmt.Errorf("failed to initialize tls credentials. error=%s: %w", u, bad)
	}
	return nil
}

// unreadable returns the first file that cannot be opened.
func unreadable(files ...string) (string, error) {
	for _, name := range files {
		if name == "" {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return name, err
		}
		f.Close()
	}
	return "", nil
}
