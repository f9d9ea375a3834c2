package pair

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Naru is this project.
var Naru = Stack{
	Name: "naru", Serve: serveNaru, Dial: dialNaru,
	HeaderList: 16 << 10, Receive: limits.DefaultMaxReceiveMessageSize, Fields: 128,
}

var naruMethods = [...]*naru.MethodInfo{
	Unary:  {FullMethod: Unary.Path()},
	Server: {FullMethod: Server.Path(), Kind: naru.KindServerStream},
	Client: {FullMethod: Client.Path(), Kind: naru.KindClientStream},
	Bidi:   {FullMethod: Bidi.Path(), Kind: naru.KindBidi},
}

func serveNaru(cfg ServerConfig) (*Running, error) {
	opts := []naru.ServerOption{naru.WithLogger(slog.New(slog.DiscardHandler))}
	if cfg.TLS != nil {
		opts = append(opts, naru.WithTLS(cfg.TLS))
	}
	if cfg.Limits.Streams != 0 {
		opts = append(opts, naru.WithLimits(limits.Limits{MaxConcurrentStreams: cfg.Limits.Streams}))
	}
	for _, o := range naruLimits(cfg.Limits) {
		opts = append(opts, o)
	}
	srv, err := naru.NewServer(append(opts, options[naru.ServerOption](cfg.Options)...)...)
	if err != nil {
		return nil, err
	}
	srv.RegisterService(naruService(cfg.Handler))
	served := make(chan error, 1) // capacity 1: read by Stop
	go func() { served <- srv.Serve(cfg.Listener) }()
	return &Running{
		Addr: cfg.Listener.Addr().String(), OpenCalls: srv.OpenCalls, local: srv,
		Stop: func(within time.Duration) error {
			ctx, cancel := context.WithTimeout(context.Background(), within)
			defer cancel()
			return errors.Join(srv.Shutdown(ctx), <-served)
		},
	}, nil
}

func naruLimits(l Limits) (opts []naru.Option) {
	if l.HeaderList != 0 {
		opts = append(opts, naru.WithLimits(limits.Limits{MaxHeaderListSize: l.HeaderList}))
	}
	if l.Receive != 0 {
		opts = append(opts, naru.WithLimits(limits.Limits{MaxReceiveMessageSize: l.Receive}))
	}
	if l.Send != 0 {
		opts = append(opts, naru.WithLimits(limits.Limits{MaxSendMessageSize: l.Send}))
	}
	return opts
}

func naruService(h Handler) *naru.ServiceDesc {
	stream := func(s naru.ServerStream) error { return naruError(h(naruServerStream{s})) }
	return &naru.ServiceDesc{Name: service, Methods: []naru.MethodDesc{
		stub.UnaryHandler(naruMethods[Unary], func(ctx context.Context, m *Message) (*Message, error) {
			c := &naruUnary{ctx: ctx, request: m}
			if err := h(c); err != nil {
				return nil, naruError(err)
			}
			return c.response, nil
		}),
		stub.ServerStreamHandler(naruMethods[Server], func(m *Message, s naru.ServerStreamingServer[Message]) error {
			return naruError(h(&onceRequested{naruServerStream{s}, m}))
		}),
		stub.ClientStreamHandler(naruMethods[Client], func(s naru.ClientStreamingServer[Message, Message]) error { return stream(s) }),
		stub.BidiStreamHandler(naruMethods[Bidi], func(s naru.BidiStreamingServer[Message, Message]) error { return stream(s) }),
	}}
}

func naruError(err error) error {
	var f *Failure
	if !errors.As(err, &f) {
		return err
	}
	st := status.New(f.Code, f.Message)
	if f.DetailBytes > 0 {
		var derr error
		if st, derr = st.WithDetails(detail(f.DetailBytes)); derr != nil {
			return derr
		}
	}
	return st.Err()
}

// naruMetadata is the part of a ServerCall that goes by the context.
type naruMetadata struct{ context.Context }

func (m naruMetadata) get(name string) string {
	v := metadata.ValueFromIncomingContext(m, name)
	if len(v) == 0 {
		return ""
	}
	return v[len(v)-1]
}

type naruUnary struct {
	ctx               context.Context
	request, response *Message
}

func (c *naruUnary) Context() context.Context    { return c.ctx }
func (c *naruUnary) Metadata(name string) string { return naruMetadata{c.ctx}.get(name) }
func (c *naruUnary) SetHeader(kv ...string) error {
	return naru.SetHeader(c.ctx, metadata.Pairs(kv...))
}
func (c *naruUnary) SetTrailer(kv ...string) error {
	return naru.SetTrailer(c.ctx, metadata.Pairs(kv...))
}

func (c *naruUnary) Recv() (string, error) { return takeOnce(&c.request) }

func (c *naruUnary) Send(s string) error {
	c.response = wrapperspb.String(s)
	return nil
}

// takeOnce returns the message the first time and io.EOF then.
func takeOnce(m **Message) (string, error) {
	if *m == nil {
		return "", io.EOF
	}
	v := (*m).Value
	*m = nil
	return v, nil
}

type naruServerStream struct{ s naru.ServerStream }

func (c naruServerStream) Context() context.Context     { return c.s.Context() }
func (c naruServerStream) Metadata(name string) string  { return naruMetadata{c.s.Context()}.get(name) }
func (c naruServerStream) SetHeader(kv ...string) error { return c.s.SetHeader(metadata.Pairs(kv...)) }
func (c naruServerStream) Send(v string) error          { return c.s.SendMsg(wrapperspb.String(v)) }

func (c naruServerStream) SetTrailer(kv ...string) error {
	c.s.SetTrailer(metadata.Pairs(kv...))
	return nil
}

func (c naruServerStream) Recv() (string, error) {
	m := new(Message)
	err := c.s.RecvMsg(m)
	return m.Value, err
}

// onceRequested is the call of a server stream, whose request the stack has received already.
type onceRequested struct {
	ServerCall
	request *Message
}

func (c *onceRequested) Recv() (string, error) { return takeOnce(&c.request) }

type naruClient struct{ c *naru.Client }

func dialNaru(cfg ClientConfig) (ClientConn, error) {
	opts := []naru.ClientOption{naru.WithLogger(slog.New(slog.DiscardHandler)), naru.WithAuthority(Authority)}
	if cfg.TLS != nil {
		opts = append(opts, naru.WithTLS(cfg.TLS))
	} else {
		opts = append(opts, naru.WithPlaintext())
	}
	if cfg.Dial != nil {
		opts = append(opts, naru.WithDialer(cfg.Dial))
	}
	c, err := naru.NewClient("passthrough:///"+cfg.Server.Addr, append(opts, naruClientOptions(cfg)...)...)
	if err != nil {
		return nil, err
	}
	return naruClient{c}, nil
}

// DialInProcess calls a server of [Naru] without a connection.
func DialInProcess(cfg ClientConfig) (ClientConn, error) {
	srv, ok := cfg.Server.local.(*naru.Server)
	if !ok {
		return nil, errors.New("only a naru server can be called in process")
	}
	c, err := naru.InProcess(srv, naruClientOptions(cfg)...)
	if err != nil {
		return nil, err
	}
	return naruClient{c}, nil
}

func naruClientOptions(cfg ClientConfig) (opts []naru.ClientOption) {
	for _, o := range naruLimits(cfg.Limits) {
		opts = append(opts, o)
	}
	return append(opts, options[naru.ClientOption](cfg.Options)...)
}

func (c naruClient) Close() error { return c.c.Close() }

func (c naruClient) Do(ctx context.Context, r Request) Response {
	var header, trailer metadata.MD
	opts := append(options[naru.CallOption](r.Options), naru.WithMetadata(r.Metadata...))
	if r.Kind == Unary {
		m := new(Message)
		err := c.c.Invoke(ctx, naruMethods[Unary], wrapperspb.String(r.Messages[0]), m,
			append(opts, naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))...)
		res := naruResponse(err, header, trailer)
		if err == nil {
			res.Messages = []string{m.Value}
		}
		return res
	}
	s, err := c.c.NewStream(ctx, naruMethods[r.Kind], opts...)
	if err != nil {
		return naruResponse(err, nil, nil)
	}
	defer s.Close()
	messages, err := drive(r, s)
	header, _ = s.Header()
	res := naruResponse(err, header, s.Trailer())
	res.Messages = messages
	return res
}

func naruResponse(err error, header, trailer metadata.MD) Response {
	res := Response{Header: header, Trailer: trailer}
	if err == nil {
		return res
	}
	st := status.Convert(err)
	res.Code, res.Message = st.Code(), st.Message()
	if res.Code == codes.OK {
		res.Code = codes.Unknown // an error that says OK
	}
	if d, ok := status.Detail[*Message](err); ok {
		res.DetailBytes = len(d.Value)
	}
	return res
}
