package echo

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

type naruServer struct{ srv *naru.Server }

func newNaruServer(cfg *tls.Config) (Server, error) {
	var opts []naru.ServerOption
	if cfg != nil {
		opts = append(opts, naru.WithTLS(cfg))
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		return nil, err
	}
	benchpbnaru.RegisterEchoServer(srv, naruEcho{})
	return &naruServer{srv}, nil
}

func (s *naruServer) Serve(lis net.Listener) error { return s.srv.Serve(lis) }

func (s *naruServer) Stop() { _ = s.srv.Close() }

type naruEcho struct{}

func (naruEcho) Unary(_ context.Context, req *benchpb.Message) (*benchpb.Message, error) {
	return req, nil
}

func (naruEcho) ServerStream(req *benchpb.Message, stream naru.ServerStreamingServer[benchpb.Message]) error {
	return repeat(req, stream.Send)
}

func (naruEcho) ClientStream(stream naru.ClientStreamingServer[benchpb.Message, benchpb.Message]) error {
	n, err := count(stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(&benchpb.Message{Id: n})
}

func (naruEcho) Bidi(stream naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	return reflect(stream.Recv, stream.Send)
}

type naruClient struct {
	client *naru.Client
	stub   benchpbnaru.EchoClient
}

func newNaruClient(addr string, cfg *tls.Config) (Client, error) {
	opt := naru.WithPlaintext()
	if cfg != nil {
		opt = naru.WithTLS(cfg)
	}
	client, err := naru.NewClient(addr, opt)
	if err != nil {
		return nil, err
	}
	return &naruClient{client, benchpbnaru.NewEchoClient(client)}, nil
}

func (c *naruClient) Unary(ctx context.Context, req *benchpb.Message) (*benchpb.Message, error) {
	return c.stub.Unary(ctx, req)
}

func (c *naruClient) ServerStream(ctx context.Context, req *benchpb.Message) (Receiver, error) {
	return c.stub.ServerStream(ctx, req)
}

func (c *naruClient) ClientStream(ctx context.Context) (Sender, error) {
	return c.stub.ClientStream(ctx)
}

func (c *naruClient) Bidi(ctx context.Context) (Duplex, error) { return c.stub.Bidi(ctx) }

func (c *naruClient) Close() error { return c.client.Close() }
