package pair

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/naru-rpc/naru/codes"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// GRPCGo is google.golang.org/grpc.
var GRPCGo = Stack{Name: "grpc-go", Serve: serveGRPCGo, Dial: dialGRPCGo, HeaderList: 16 << 20, Receive: 4 << 20}

func serveGRPCGo(cfg ServerConfig) (*Running, error) {
	var opts []grpc.ServerOption
	if cfg.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(cfg.TLS)))
	}
	l := cfg.Limits
	if l.HeaderList != 0 {
		opts = append(opts, grpc.MaxHeaderListSize(uint32(l.HeaderList)))
	}
	if l.Receive != 0 {
		opts = append(opts, grpc.MaxRecvMsgSize(l.Receive))
	}
	if l.Send != 0 {
		opts = append(opts, grpc.MaxSendMsgSize(l.Send))
	}
	if l.Streams != 0 {
		opts = append(opts, grpc.MaxConcurrentStreams(uint32(l.Streams)))
	}
	srv := grpc.NewServer(append(opts, options[grpc.ServerOption](cfg.Options)...)...)
	srv.RegisterService(grpcGoService(cfg.Handler), nil)
	served := make(chan error, 1) // capacity 1: read by Stop
	go func() { served <- srv.Serve(cfg.Listener) }()
	return &Running{
		Addr:      cfg.Listener.Addr().String(),
		OpenCalls: func() int { return -1 },
		Stop: func(within time.Duration) error {
			graceful := make(chan struct{})
			go func() {
				defer close(graceful)
				srv.GracefulStop()
			}()
			var late error
			select {
			case <-graceful:
			case <-time.After(within):
				late = errors.New("GracefulStop did not end")
				srv.Stop()
				<-graceful
			}
			if err := <-served; !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served: no fault
				late = errors.Join(late, err)
			}
			return late
		},
	}, nil
}

func grpcGoService(h Handler) *grpc.ServiceDesc {
	stream := func(_ any, s grpc.ServerStream) error { return grpcGoError(h(grpcGoServerStream{s})) }
	d := &grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil)}
	d.Methods = []grpc.MethodDesc{{
		MethodName: Unary.method(),
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			c := &grpcGoUnary{ctx: ctx, request: new(Message)}
			if err := decode(c.request); err != nil {
				return nil, err
			}
			if err := h(c); err != nil {
				return nil, grpcGoError(err)
			}
			return c.response, nil
		},
	}}
	for _, k := range []Kind{Server, Client, Bidi} {
		d.Streams = append(d.Streams, grpc.StreamDesc{
			StreamName: k.method(), Handler: stream, ClientStreams: k.ManyRequests(), ServerStreams: k.ManyResponses(),
		})
	}
	return d
}

func grpcGoError(err error) error {
	var f *Failure
	if !errors.As(err, &f) {
		return err
	}
	st := status.New(grpccodes.Code(f.Code), f.Message)
	if f.DetailBytes > 0 {
		var derr error
		if st, derr = st.WithDetails(detail(f.DetailBytes)); derr != nil {
			return derr
		}
	}
	return st.Err()
}

func grpcGoMetadata(ctx context.Context, name string) string {
	v := metadata.ValueFromIncomingContext(ctx, name)
	if len(v) == 0 {
		return ""
	}
	return v[len(v)-1]
}

type grpcGoUnary struct {
	ctx               context.Context
	request, response *Message
}

func (c *grpcGoUnary) Context() context.Context    { return c.ctx }
func (c *grpcGoUnary) Metadata(name string) string { return grpcGoMetadata(c.ctx, name) }
func (c *grpcGoUnary) SetHeader(kv ...string) error {
	return grpc.SetHeader(c.ctx, metadata.Pairs(kv...))
}
func (c *grpcGoUnary) SetTrailer(kv ...string) error {
	return grpc.SetTrailer(c.ctx, metadata.Pairs(kv...))
}
func (c *grpcGoUnary) Recv() (string, error) { return takeOnce(&c.request) }

func (c *grpcGoUnary) Send(s string) error {
	c.response = wrapperspb.String(s)
	return nil
}

type grpcGoServerStream struct{ s grpc.ServerStream }

func (c grpcGoServerStream) Context() context.Context    { return c.s.Context() }
func (c grpcGoServerStream) Metadata(name string) string { return grpcGoMetadata(c.s.Context(), name) }
func (c grpcGoServerStream) SetHeader(kv ...string) error {
	return c.s.SetHeader(metadata.Pairs(kv...))
}
func (c grpcGoServerStream) Send(v string) error { return c.s.SendMsg(wrapperspb.String(v)) }

func (c grpcGoServerStream) SetTrailer(kv ...string) error {
	c.s.SetTrailer(metadata.Pairs(kv...))
	return nil
}

func (c grpcGoServerStream) Recv() (string, error) {
	m := new(Message)
	err := c.s.RecvMsg(m)
	return m.Value, err
}

type grpcGoClient struct{ c *grpc.ClientConn }

func dialGRPCGo(cfg ClientConfig) (ClientConn, error) {
	creds := insecure.NewCredentials()
	if cfg.TLS != nil {
		creds = credentials.NewTLS(cfg.TLS)
	}
	opts := []grpc.DialOption{grpc.WithTransportCredentials(creds), grpc.WithAuthority(Authority)}
	if cfg.Dial != nil {
		opts = append(opts, grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return cfg.Dial(ctx, "tcp", addr)
		}))
	}
	l := cfg.Limits
	if l.HeaderList != 0 {
		opts = append(opts, grpc.WithMaxHeaderListSize(uint32(l.HeaderList)))
	}
	if l.Receive != 0 {
		opts = append(opts, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(l.Receive)))
	}
	if l.Send != 0 {
		opts = append(opts, grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(l.Send)))
	}
	c, err := grpc.NewClient("passthrough:///"+cfg.Server.Addr, append(opts, options[grpc.DialOption](cfg.Options)...)...)
	if err != nil {
		return nil, err
	}
	return grpcGoClient{c}, nil
}

func (c grpcGoClient) Close() error { return c.c.Close() }

func (c grpcGoClient) Do(ctx context.Context, r Request) Response {
	ctx = metadata.AppendToOutgoingContext(ctx, r.Metadata...)
	opts := options[grpc.CallOption](r.Options)
	var header, trailer metadata.MD
	if r.Kind == Unary {
		m := new(Message)
		err := c.c.Invoke(ctx, Unary.Path(), wrapperspb.String(r.Messages[0]), m,
			append(opts, grpc.Header(&header), grpc.Trailer(&trailer))...)
		res := grpcGoResponse(err, header, trailer)
		if err == nil {
			res.Messages = []string{m.Value}
		}
		return res
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // releases a stream that was left early
	d := &grpc.StreamDesc{ClientStreams: r.Kind.ManyRequests(), ServerStreams: r.Kind.ManyResponses()}
	s, err := c.c.NewStream(ctx, d, r.Kind.Path(), opts...)
	if err != nil {
		return grpcGoResponse(err, nil, nil)
	}
	messages, err := drive(r, s)
	header, _ = s.Header() // RecvMsg has the reason
	res := grpcGoResponse(err, header, s.Trailer())
	res.Messages = messages
	return res
}

func grpcGoResponse(err error, header, trailer metadata.MD) Response {
	res := Response{Header: header, Trailer: trailer}
	if err == nil {
		return res
	}
	st := status.Convert(err)
	res.Code, res.Message = codes.Code(st.Code()), st.Message()
	if res.Code == codes.OK {
		res.Code = codes.Unknown // an error that says OK
	}
	for _, d := range st.Details() {
		if m, ok := d.(*Message); ok {
			res.DetailBytes = len(m.Value)
		}
	}
	return res
}
