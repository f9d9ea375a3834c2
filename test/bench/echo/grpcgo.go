package echo

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/naru-rpc/naru/test/bench/benchpb"
)

type grpcGoServer struct{ srv *grpc.Server }

func newGRPCGoServer(cfg *tls.Config) Server {
	var opts []grpc.ServerOption
	if cfg != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(cfg)))
	}
	srv := grpc.NewServer(opts...)
	benchpb.RegisterEchoServer(srv, grpcGoEcho{})
	return &grpcGoServer{srv}
}

func (s *grpcGoServer) Serve(lis net.Listener) error {
	if err := s.srv.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func (s *grpcGoServer) Stop() { s.srv.Stop() }

type grpcGoEcho struct {
	benchpb.UnimplementedEchoServer
}

func (grpcGoEcho) Unary(_ context.Context, req *benchpb.Message) (*benchpb.Message, error) {
	return req, nil
}

func (grpcGoEcho) ServerStream(req *benchpb.Message, stream grpc.ServerStreamingServer[benchpb.Message]) error {
	return repeat(req, stream.Send)
}

func (grpcGoEcho) ClientStream(stream grpc.ClientStreamingServer[benchpb.Message, benchpb.Message]) error {
	n, err := count(stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(&benchpb.Message{Id: n})
}

func (grpcGoEcho) Bidi(stream grpc.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	return reflect(stream.Recv, stream.Send)
}

type grpcGoClient struct {
	conn *grpc.ClientConn
	stub benchpb.EchoClient
}

func newGRPCGoClient(addr string, cfg *tls.Config) (Client, error) {
	creds := insecure.NewCredentials()
	if cfg != nil {
		creds = credentials.NewTLS(cfg)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, err
	}
	return &grpcGoClient{conn, benchpb.NewEchoClient(conn)}, nil
}

func (c *grpcGoClient) Unary(ctx context.Context, req *benchpb.Message) (*benchpb.Message, error) {
	return c.stub.Unary(ctx, req)
}

func (c *grpcGoClient) ServerStream(ctx context.Context, req *benchpb.Message) (Receiver, error) {
	return c.stub.ServerStream(ctx, req)
}

func (c *grpcGoClient) ClientStream(ctx context.Context) (Sender, error) {
	return c.stub.ClientStream(ctx)
}

func (c *grpcGoClient) Bidi(ctx context.Context) (Duplex, error) { return c.stub.Bidi(ctx) }

func (c *grpcGoClient) Close() error { return c.conn.Close() }

// The handlers' work, the same on every stack.

func repeat(req *benchpb.Message, send func(*benchpb.Message) error) error {
	for i := int64(1); req.GetId() <= 0 || i <= req.GetId(); i++ {
		res := &benchpb.Message{Message: req.GetMessage(), Payload: req.GetPayload(), Id: i}
		if err := send(res); err != nil {
			return err
		}
	}
	return nil
}

func count(recv func() (*benchpb.Message, error)) (n int64, err error) {
	for {
		switch _, err := recv(); {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
		n++
	}
}

func reflect(recv func() (*benchpb.Message, error), send func(*benchpb.Message) error) error {
	for {
		msg, err := recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = send(msg)
		}
		if err != nil {
			return err
		}
	}
}
