package hostile

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

// A stack is a server that is attacked; both have the same handlers.
type stack struct {
	name  string
	start func(*testing.T) (addr string)
}

var stacks = []stack{{"naru", startNaru}, {"grpc-go", startGRPC}}

var discard = naru.WithLogger(slog.New(slog.DiscardHandler))

func startNaru(t *testing.T) string {
	srv, err := naru.NewServer(discard)
	if err != nil {
		t.Fatal(err)
	}
	benchpbnaru.RegisterEchoServer(srv, besideNaru{})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("naru's server ended: %v", srv.Stats().Ended)
		}
	})
	return listen(t, srv.Serve, func() { _ = srv.Close() })
}

func startGRPC(t *testing.T) string {
	srv := grpc.NewServer()
	benchpb.RegisterEchoServer(srv, besideGRPC{})
	return listen(t, srv.Serve, srv.Stop)
}

func listen(t *testing.T, serve func(net.Listener) error, stop func()) string {
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

type besideNaru struct {
	benchpbnaru.UnimplementedEchoServer
}

func (besideNaru) Unary(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return respondUnary(ctx, m)
}

func (besideNaru) ServerStream(m *benchpb.Message, s naru.ServerStreamingServer[benchpb.Message]) error {
	return respondStream(m, s.Send)
}

type besideGRPC struct {
	benchpb.UnimplementedEchoServer
}

func (besideGRPC) Unary(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return respondUnary(ctx, m)
}

func (besideGRPC) ServerStream(m *benchpb.Message, s grpc.ServerStreamingServer[benchpb.Message]) error {
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

// A probe is a kind of call that an honest client makes.
type probe struct {
	name string
	call func(context.Context, benchpbnaru.EchoClient) error
}

var (
	small  = &benchpb.Message{Message: "echo", Payload: make([]byte, 100)}
	medium = &benchpb.Message{Message: "drop", Payload: make([]byte, 100_000)}
	big    = &benchpb.Message{Message: "drop", Payload: make([]byte, 1<<20)}
	zipped = &benchpb.Message{Message: "echo", Payload: make([]byte, 20_000)}
	stream = &benchpb.Message{Id: 20, Payload: make([]byte, 1000)}
)

var probes = []probe{
	{"unary", func(ctx context.Context, c benchpbnaru.EchoClient) error { _, err := c.Unary(ctx, small); return err }},
	{"100 KB", func(ctx context.Context, c benchpbnaru.EchoClient) error { _, err := c.Unary(ctx, medium); return err }},
	{"1 MiB", func(ctx context.Context, c benchpbnaru.EchoClient) error { _, err := c.Unary(ctx, big); return err }},
	{"gzip", func(ctx context.Context, c benchpbnaru.EchoClient) error {
		_, err := c.Unary(ctx, zipped, naru.WithCompression("gzip"))
		return err
	}},
	{"stream", func(ctx context.Context, c benchpbnaru.EchoClient) error {
		s, err := c.ServerStream(ctx, stream)
		if err != nil {
			return err
		}
		defer s.Close()
		for n := int64(0); ; n++ {
			switch _, err := s.Recv(); {
			case err == io.EOF && n == stream.GetId():
				return nil
			case err != nil:
				return err
			}
		}
	}},
}
