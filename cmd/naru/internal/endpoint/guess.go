package endpoint

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// patience is how long a server may take to answer the first message of a TLS handshake before it
// is taken for one that waits for something else.
const patience = 3 * time.Second

// Split returns where a target's connections go, if that can be seen without a resolver. The error
// is one of the command line.
func Split(target string) (network, address string, known bool, err error) {
	switch {
	case target == "":
		return "", "", false, cli.Usagef("an empty target: want host:port")
	case strings.HasPrefix(target, "unix:"):
		path := strings.TrimPrefix(target, "unix:")
		return "unix", strings.TrimPrefix(path, "//"), true, nil
	case strings.Contains(target, ":///") || strings.Contains(target, "://"):
		if scheme, rest, _ := strings.Cut(target, "://"); scheme == "http" || scheme == "https" || scheme == "grpc" {
			return "", "", false, cli.WithHint(cli.Usagef("the target %s is a URL: want host:port", target), "write %s", strings.TrimSuffix(rest, "/"))
		}
		return "", "", false, nil
	}
	if _, _, err := net.SplitHostPort(target); err != nil {
		return "", "", false, cli.WithHint(cli.Usagef("the target %q has no port: want host:port", target), "a gRPC server of today often listens on %s:50051, behind TLS on %s:443", target, target)
	}
	return "tcp", target, true, nil
}

// guess finds out whether a server speaks plaintext, by beginning a TLS handshake on a connection
// of its own. A certificate that does not verify is still TLS: the client's own connection fails
// with what is wrong.
func guess(ctx context.Context, network, address string, cfg *tls.Config, connect time.Duration) (plaintext bool, err error) {
	dialCtx, cancel := context.WithTimeout(ctx, connect)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(dialCtx, network, address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	cfg = cfg.Clone()
	cfg.NextProtos = []string{"h2"}
	cfg.InsecureSkipVerify = true // nothing is sent on this connection
	shakeCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = tls.Client(conn, cfg).HandshakeContext(shakeCtx)
	if err == nil || ctx.Err() != nil {
		return false, ctx.Err()
	}
	return !tlsAnswered(err), nil
}

// tlsAnswered reports whether a failed handshake failed in terms of TLS.
func tlsAnswered(err error) bool {
	var alert tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &alert):
		return true
	case errors.As(err, &op) && op.Op == "remote error":
		return true // an alert of the server, which package tls wraps like this
	}
	return strings.HasPrefix(err.Error(), "tls: ") && !strings.Contains(err.Error(), "does not look like a TLS handshake")
}

// decodeBase64 takes the forms of base64 that metadata is written in: standard or URL, padded or
// not.
func decodeBase64(s string) (string, error) {
	s = strings.TrimRight(s, "=")
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	b, err := base64.RawStdEncoding.DecodeString(s)
	return string(b), err
}
