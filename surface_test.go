package naru_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// TestAuthenticatorFor holds that the most specific authenticator decides, and that nil lets calls
// pass.
func TestAuthenticatorFor(t *testing.T) {
	refuse := func(text string) func(context.Context, *naru.Call) (context.Context, error) {
		return func(context.Context, *naru.Call) (context.Context, error) {
			return nil, status.Error(codes.PermissionDenied, text)
		}
	}
	srv, err := naru.NewServer(
		naru.WithAuthenticator(refuse("all")),
		naru.WithAuthenticatorFor("grpc.health.v1.Health", nil),
		naru.WithAuthenticatorFor("/grpc.health.v1.Health/List", refuse("list")),
	)
	if err != nil {
		t.Fatal(err)
	}
	health.Register(srv, health.NewServer())
	defer srv.Close()
	client, err := naru.InProcess(srv)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := health.Check(t.Context(), client, ""); err != nil {
		t.Errorf("check: %v, want it to need no credentials", err)
	}
	if _, err := health.List(t.Context(), client); status.Convert(err).Message() != "list" {
		t.Errorf("list: %v, want the method's own authenticator to refuse", err)
	}
	other := &naru.MethodInfo{FullMethod: "/shop.Cart/Add"}
	if err := client.Invoke(t.Context(), other, str("x"), new(text)); status.Code(err) == codes.OK {
		t.Error("a method of another service passed")
	}
	for _, bad := range []string{"", "/", "/a", "a/b", "/a/", "//b"} {
		if _, err := naru.NewServer(naru.WithAuthenticatorFor(bad, nil)); err == nil || !strings.Contains(err.Error(), "WithAuthenticatorFor") {
			t.Errorf("scope %q: %v, want an error that names the option", bad, err)
		}
	}
}

// TestListen holds that a program knows the address it serves on before it serves.
func TestListen(t *testing.T) {
	if _, err := naru.Listen("127.0.0.1:port"); err == nil || !strings.Contains(err.Error(), `"127.0.0.1:port"`) {
		t.Errorf("bad address: %v, want an error with it", err)
	}
	for name, run := range map[string]func(context.Context, *naru.Server, net.Listener) error{
		"ServeContext": func(ctx context.Context, s *naru.Server, lis net.Listener) error { return s.ServeContext(ctx, lis) },
		"RunListener": func(ctx context.Context, s *naru.Server, lis net.Listener) error {
			return naru.RunListener(ctx, s, lis)
		},
	} {
		t.Run(name, func(t *testing.T) {
			lis, err := naru.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv, err := naru.NewServer()
			if err != nil {
				t.Fatal(err)
			}
			health.Register(srv, health.NewServer())
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1) // one run, one result
			go func() { ended <- run(ctx, srv, lis) }()
			client, err := naru.NewClient(lis.Addr().String(), naru.WithPlaintext())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, err := health.Check(t.Context(), client, ""); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("drained with %v", err)
			}
		})
	}
}

// TestMistakesHavePrefix holds that each line of an error with several mistakes can be understood
// alone.
func TestMistakesHavePrefix(t *testing.T) {
	_, err := naru.NewServer(naru.WithCompressionThreshold(-1), naru.WithLimits(limits.Limits{MaxAttempts: -1}))
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 {
		t.Errorf("%q: want two lines", err)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "naru: new server: With") {
			t.Errorf("line %q: want the prefix naru: new server and the option", line)
		}
	}
}

// logLines is a slog.Handler that keeps messages.
type logLines struct{ got *[]string }

func (l logLines) Enabled(context.Context, slog.Level) bool { return true }
func (l logLines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l logLines) WithGroup(string) slog.Handler            { return l }
func (l logLines) Handle(_ context.Context, r slog.Record) error {
	*l.got = append(*l.got, r.Message)
	return nil
}

// TestRunLogsNothingUnasked holds that a server without a logger writes no line while nothing is
// wrong.
func TestRunLogsNothingUnasked(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var got []string
	slog.SetDefault(slog.New(logLines{&got}))
	srv, err := naru.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := naru.Run(ctx, srv, "127.0.0.1:0"); err != nil && !errors.Is(err, naru.ErrServerClosed) {
		t.Fatal(err)
	}
	if len(got) > 0 {
		t.Errorf("logged %q", got)
	}
}

// TestErrorsOfHandlersAreInALog holds that a server without a logger logs the error whose text the
// client is not sent: it is told that it stands in the log.
func TestErrorsOfHandlersAreInALog(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var got []string
	slog.SetDefault(slog.New(logLines{&got}))
	srv, err := naru.NewServer(naru.WithUnknownServiceHandler(func(string, naru.ServerStream) error {
		return errors.New("no route to the database")
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	client, err := naru.InProcess(srv)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.Invoke(t.Context(), &naru.MethodInfo{FullMethod: "/a.B/C"}, str("x"), new(text))
	if status.Code(err) != codes.Unknown || len(got) != 1 || got[0] != "naru: handler failed" {
		t.Errorf("the client got %v, the log %q", err, got)
	}
}

// TestStreamSetTrailerFails holds that both forms of SetTrailer tell what may not be sent.
func TestStreamSetTrailerFails(t *testing.T) {
	bad := metadata.Pairs("grpc-status", "0")
	var stream, function error
	srv, err := naru.NewServer(naru.WithUnknownServiceHandler(func(_ string, s naru.ServerStream) error {
		stream, function = s.SetTrailer(bad), naru.SetTrailer(s.Context(), bad)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	client, err := naru.InProcess(srv)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_ = client.Invoke(t.Context(), &naru.MethodInfo{FullMethod: "/a.B/C"}, str("x"), new(text)) // no response is an error
	if status.Code(stream) != codes.Internal || status.Code(function) != codes.Internal {
		t.Errorf("got %v and %v, want INTERNAL twice", stream, function)
	}
}
