package echo

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"

	"connectrpc.com/connect"

	"github.com/naru-rpc/naru/test/bench/benchpb"
)

type connectServer struct {
	srv *http.Server
	tls bool
}

// streamLimit lifts net/http's 250 streams per connection: the benchmarks put more callers on
// one connection than that, and its client would open further connections instead.
const streamLimit = 10000

func newConnectServer(cfg *tls.Config) Server {
	const service = "/naru.bench.v1.Echo/"
	mux := http.NewServeMux()
	mux.Handle(service+"Unary", connect.NewUnaryHandler(service+"Unary",
		func(_ context.Context, req *connect.Request[benchpb.Message]) (*connect.Response[benchpb.Message], error) {
			return connect.NewResponse(req.Msg), nil
		}))
	mux.Handle(service+"ServerStream", connect.NewServerStreamHandler(service+"ServerStream",
		func(_ context.Context, req *connect.Request[benchpb.Message], stream *connect.ServerStream[benchpb.Message]) error {
			return repeat(req.Msg, stream.Send)
		}))
	mux.Handle(service+"ClientStream", connect.NewClientStreamHandler(service+"ClientStream",
		func(_ context.Context, stream *connect.ClientStream[benchpb.Message]) (*connect.Response[benchpb.Message], error) {
			var n int64
			for stream.Receive() {
				n++
			}
			return connect.NewResponse(&benchpb.Message{Id: n}), stream.Err()
		}))
	mux.Handle(service+"Bidi", connect.NewBidiStreamHandler(service+"Bidi",
		func(_ context.Context, stream *connect.BidiStream[benchpb.Message, benchpb.Message]) error {
			return reflect(stream.Receive, stream.Send)
		}))
	srv := &http.Server{
		Handler:   mux,
		Protocols: new(http.Protocols),
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: streamLimit},
	}
	srv.Protocols.SetUnencryptedHTTP2(cfg == nil)
	srv.Protocols.SetHTTP2(cfg != nil)
	srv.TLSConfig = cfg.Clone()
	return &connectServer{srv, cfg != nil}
}

func (s *connectServer) Serve(lis net.Listener) error {
	serve := s.srv.Serve
	if s.tls {
		serve = func(lis net.Listener) error { return s.srv.ServeTLS(lis, "", "") }
	}
	if err := serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *connectServer) Stop() { _ = s.srv.Close() }

type connectClient struct {
	transport                   *http.Transport
	unary, server, client, bidi *connect.Client[benchpb.Message, benchpb.Message]
}

func newConnectClient(addr string, cfg *tls.Config) Client {
	tr := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: cfg.Clone()} // net/http changes it
	tr.Protocols.SetUnencryptedHTTP2(cfg == nil)
	tr.Protocols.SetHTTP2(cfg != nil)
	scheme := "http://"
	if cfg != nil {
		scheme = "https://"
	}
	stub := func(method string) *connect.Client[benchpb.Message, benchpb.Message] {
		return connect.NewClient[benchpb.Message, benchpb.Message](&http.Client{Transport: tr},
			scheme+addr+"/naru.bench.v1.Echo/"+method, connect.WithGRPC())
	}
	return &connectClient{tr, stub("Unary"), stub("ServerStream"), stub("ClientStream"), stub("Bidi")}
}

func (c *connectClient) Unary(ctx context.Context, req *benchpb.Message) (*benchpb.Message, error) {
	res, err := c.unary.CallUnary(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func (c *connectClient) ServerStream(ctx context.Context, req *benchpb.Message) (Receiver, error) {
	stream, err := c.server.CallServerStream(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, err
	}
	return connectReceiver{stream}, nil
}

func (c *connectClient) ClientStream(ctx context.Context) (Sender, error) {
	return connectSender{c.client.CallClientStream(ctx)}, nil
}

func (c *connectClient) Bidi(ctx context.Context) (Duplex, error) {
	return connectDuplex{c.bidi.CallBidiStream(ctx)}, nil
}

func (c *connectClient) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

type connectReceiver struct {
	stream *connect.ServerStreamForClient[benchpb.Message]
}

func (r connectReceiver) Recv() (*benchpb.Message, error) {
	if r.stream.Receive() {
		return r.stream.Msg(), nil
	}
	if err := r.stream.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

type connectSender struct {
	stream *connect.ClientStreamForClient[benchpb.Message, benchpb.Message]
}

func (s connectSender) Send(msg *benchpb.Message) error { return s.stream.Send(msg) }

func (s connectSender) CloseAndRecv() (*benchpb.Message, error) {
	res, err := s.stream.CloseAndReceive()
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

type connectDuplex struct {
	stream *connect.BidiStreamForClient[benchpb.Message, benchpb.Message]
}

func (d connectDuplex) Send(msg *benchpb.Message) error { return d.stream.Send(msg) }

func (d connectDuplex) Recv() (*benchpb.Message, error) { return d.stream.Receive() }

func (d connectDuplex) CloseSend() error { return d.stream.CloseRequest() }
