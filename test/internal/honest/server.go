package honest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // its servers know it then

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

// A Stack is a server beside whose honest clients others are; all have the same handlers, see
// respondUnary, respondStream and take.
type Stack struct {
	Name  string
	Start func(testing.TB) (addr string)
}

// Stacks are both with their defaults, naru first.
var Stacks = []Stack{{"naru", startNaru}, {"grpc-go", startGRPC}}

// Quiet is the logger of servers and clients.
var Quiet = naru.WithLogger(slog.New(slog.DiscardHandler))

func startNaru(t testing.TB) string {
	srv, err := naru.NewServer(Quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("naru's server ended: %v", srv.Stats().Ended)
		}
	})
	return Serve(t, srv)
}

// Serve has a server with options of its own serve until the test's end.
func Serve(t testing.TB, srv *naru.Server) (addr string) {
	t.Helper()
	benchpbnaru.RegisterEchoServer(srv, naruEcho{})
	return listen(t, srv.Serve, func() { _ = srv.Close() })
}

func startGRPC(t testing.TB) string {
	srv := grpc.NewServer()
	benchpb.RegisterEchoServer(srv, grpcEcho{})
	return listen(t, srv.Serve, srv.Stop)
}

func listen(t testing.TB, serve func(net.Listener) error, stop func()) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // capacity 1: read at the end
	go func() { served <- serve(lis) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return lis.Addr().String()
}

type naruEcho struct {
	benchpbnaru.UnimplementedEchoServer
}

func (naruEcho) Unary(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return respondUnary(ctx, m)
}

func (naruEcho) ServerStream(m *benchpb.Message, s naru.ServerStreamingServer[benchpb.Message]) error {
	return respondStream(m, s.Send)
}

type grpcEcho struct {
	benchpb.UnimplementedEchoServer
}

func (grpcEcho) Unary(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return respondUnary(ctx, m)
}

func (grpcEcho) ServerStream(m *benchpb.Message, s grpc.ServerStreamingServer[benchpb.Message]) error {
	return respondStream(m, s.Send)
}

func respondUnary(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	switch m.GetMessage() {
	case "drop":
		return &benchpb.Message{}, nil
	case "large":
		return &benchpb.Message{Payload: make([]byte, m.GetId())}, nil
	case "sleep":
		select {
		case <-time.After(time.Duration(m.GetId()) * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return m, nil
}

func respondStream(m *benchpb.Message, send func(*benchpb.Message) error) error {
	for i := range m.GetId() {
		if err := send(&benchpb.Message{Id: i + 1, Payload: m.GetPayload()}); err != nil {
			return err
		}
	}
	return nil
}

func (naruEcho) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	return take(s.Context(), s.Recv)
}

func (grpcEcho) Bidi(s grpc.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	return take(s.Context(), s.Recv)
}

// take takes a message a second.
func take(ctx context.Context, recv func() (*benchpb.Message, error)) error {
	for {
		if _, err := recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
