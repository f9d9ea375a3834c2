// Command production is a server with everything the guide's checklist asks for.
package main

import (
	"context"
	"crypto/subtle"
	"flag"
	"log/slog"
	"os"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

func main() {
	addr := flag.String("addr", ":50051", "listen on this host:port")
	cert := flag.String("cert", "server.pem", "PEM `file` of the certificate")
	key := flag.String("key", "server.key", "PEM `file` of its key")
	flag.Parse()
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	token := os.Getenv("GREETER_TOKEN")
	if token == "" {
		logger.Error("GREETER_TOKEN is not set")
		os.Exit(2)
	}
	tls := credentials.TLSFiles{Cert: *cert, Key: *key}
	if err := serve(context.Background(), *addr, tls, token, logger); err != nil {
		logger.Error("serving failed", "error", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, addr string, tls credentials.TLSFiles, token string, logger *slog.Logger) error {
	authenticate := authenticator(token)
	srv, err := naru.NewServer(
		naru.WithTLSFiles(tls),
		naru.WithLogger(logger),
		naru.WithAuthenticator(authenticate),
		naru.WithInterceptors(logCalls(logger)),
		naru.WithKeepalive(naru.Keepalive{
			Interval:         2 * time.Minute,
			MaxConnectionAge: 30 * time.Minute, MaxConnectionAgeGrace: time.Minute,
		}),
		naru.WithLimits(limits.Limits{MaxConnections: 10_000, Handlers: 2_000}),
		naru.WithDrainTimeout(20*time.Second),
	)
	if err != nil {
		return err
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	h := health.NewServer()
	health.Register(srv, h)
	return naru.Run(ctx, srv, addr, h.Shutdown)
}

// authenticator accepts calls that bring the token, and health checks.
func authenticator(token string) func(context.Context, *naru.Call) (context.Context, error) {
	want := []byte("Bearer " + token)
	return func(ctx context.Context, call *naru.Call) (context.Context, error) {
		if call.Method().Service() == health.ServiceName {
			return ctx, nil
		}
		got := metadata.ValueFromIncomingContext(ctx, "authorization")
		if len(got) != 1 || subtle.ConstantTimeCompare([]byte(got[0]), want) != 1 {
			return nil, status.Error(codes.Unauthenticated, "a valid token is required")
		}
		return ctx, nil
	}
}

// logCalls logs each call when it has ended.
func logCalls(logger *slog.Logger) naru.Interceptor {
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		start := time.Now()
		err := next(ctx)
		logger.InfoContext(ctx, "call", "method", call.Method().FullMethod, "code", status.Code(err), "duration", time.Since(start))
		return err
	}
}
