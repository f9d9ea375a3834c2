package narucli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/status"
)

// Exit codes of [Probe]. They are grpc_health_probe's.
const (
	ExitServing       = 0  // the status is SERVING
	ExitInvalid       = 1  // the command line is wrong, or a certificate file cannot be used
	ExitNotConnected  = 2  // no connection within -connect-timeout
	ExitRPCFailed     = 3  // the check ended with an error: no health service, unknown service, a timeout
	ExitUnhealthy     = 4  // the status is another than SERVING
	ExitSPIFFEFailure = 20 // SPIFFE credentials were asked for and are not available
)

// Probe asks a server for its health as grpc_health_probe does, with the same flags (-addr,
// -service, -connect-timeout, -tls-ca-cert, and so on; -help lists them), and returns the exit
// code. The address may also be given without -addr. What was found goes to stderr, where
// grpc_health_probe writes it. Ending ctx ends the probe. name is the program's name in the help
// text.
//
// Two flags differ: -alts is refused, and -spiffe, which takes credentials from SPIFFE's Workload
// API, exits with [ExitSPIFFEFailure]; with certificates in files, -tls-spiffe-id checks the
// server's SPIFFE ID.
func Probe(ctx context.Context, name string, args []string, stderr io.Writer) int {
	say := func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	o, err := parse(name, args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitServing
	case err != nil:
		say("error: %v", err)
		return ExitInvalid
	case o.version:
		say("%s", version())
		return ExitServing
	case o.spiffe:
		say("error: -spiffe: SPIFFE's Workload API is not available; give the files with -tls-client-cert, -tls-client-key and -tls-ca-cert, and -tls-spiffe-id")
		return ExitSPIFFEFailure
	}
	client, err := o.client()
	if err != nil {
		say("failed to initialize tls credentials. error=%v", err)
		return ExitInvalid
	}
	defer client.Close()
	return o.check(ctx, client, say)
}

// client returns a client that does not connect yet.
func (o *options) client() (*naru.Client, error) {
	opts := []naru.ClientOption{
		naru.WithUserAgent(o.userAgent),
		naru.WithConnectTimeout(o.connectTimeout),
		naru.WithMetadata(o.headers...),
	}
	if !o.tls {
		return naru.NewClient(o.addr, append(opts, naru.WithPlaintext())...)
	}
	configs, err := credentials.TLSFiles{CA: o.ca, Cert: o.cert, Key: o.key}.ClientConfigs(nil)
	if err != nil {
		return nil, err
	}
	cfg := configs().Clone()
	if o.noVerify {
		cfg.InsecureSkipVerify = true
	}
	if o.serverName != "" {
		cfg.ServerName = o.serverName
	}
	if o.spiffeID != "" {
		if cfg, err = RequireSPIFFE(cfg, o.spiffeID); err != nil {
			return nil, err
		}
	}
	return naru.NewClient(o.addr, append(opts, naru.WithTLS(cfg))...)
}

func (o *options) check(ctx context.Context, client *naru.Client, say func(string, ...any)) int {
	start := time.Now()
	connectCtx, cancel := context.WithTimeout(ctx, o.connectTimeout)
	err := client.WaitReady(connectCtx)
	cancel()
	connected := time.Since(start)
	if err != nil {
		say("timeout: failed to connect service %q within %v: %v", o.addr, o.connectTimeout, err)
		return ExitNotConnected
	}
	if o.verbose {
		say("connection established (took %v)", connected)
	}
	start = time.Now()
	rpcCtx, cancel := context.WithTimeout(ctx, o.rpcTimeout)
	defer cancel()
	var opts []naru.CallOption
	if o.gzip {
		opts = append(opts, naru.WithCompression("gzip"))
	}
	st, err := health.Check(rpcCtx, client, o.service, opts...)
	took := time.Since(start)
	switch code := status.Code(err); {
	case code == codes.Unimplemented:
		say("error: this server does not implement the grpc health protocol (%s): %v", health.ServiceName, err)
	case code == codes.DeadlineExceeded:
		say("timeout: health rpc did not complete within %v", o.rpcTimeout)
	case err != nil:
		say("error: health rpc failed: %v", err)
	case st != health.Serving:
		say("service unhealthy (responded with %q)", st)
		return ExitUnhealthy
	}
	if err != nil {
		return ExitRPCFailed
	}
	if o.verbose {
		say("time elapsed: connect=%v rpc=%v", connected, took)
	}
	say("status: %v", st)
	return ExitServing
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Path + " " + info.Main.Version
	}
	return "unknown version"
}
