package grpcgo

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/stats"
)

// A Conn is a grpc.ClientConnInterface over a naru client: what the NewXClient functions of
// protoc-gen-go-grpc take. Safe for concurrent use.
type Conn struct {
	// immutable
	client *naru.Client
	config connConfig

	// methods by their path; atomic: how many were made
	methods sync.Map
	made    atomic.Int64
}

// connConfig is what options set for all calls.
type connConfig struct {
	unary  grpc.UnaryClientInterceptor     // nil: none
	stream grpc.StreamClientInterceptor    // nil: none
	calls  []grpc.CallOption               // before those of a call
	creds  []credentials.PerRPCCredentials // of all calls
	naru   []naru.CallOption               // of all calls
	stats  []stats.Handler
	// self is what interceptors are given as *grpc.ClientConn, nil if there is none.
	self *grpc.ClientConn
}

// ClientInterceptors are what a Conn runs around calls. They run outside the interceptors of the
// naru client, and are given no *grpc.ClientConn: that argument is nil. The zero value is none.
type ClientInterceptors struct {
	// Unary runs around unary calls, the first one outermost.
	Unary []grpc.UnaryClientInterceptor
	// Stream runs around streams, the first one outermost.
	Stream []grpc.StreamClientInterceptor
}

// NewConn returns a connection whose calls c makes. It does not own c: close c when it is not
// needed any more. A client that is to take grpc-go's registered codecs and compressors is made
// with the option [Encoding].
func NewConn(c *naru.Client, in ClientInterceptors) *Conn {
	return newConn(c, connConfig{unary: chainUnaryClient(in.Unary), stream: chainStreamClient(in.Stream)})
}

func newConn(c *naru.Client, config connConfig) *Conn { return &Conn{client: c, config: config} }

// Naru returns the naru client behind the connection.
func (c *Conn) Naru() *naru.Client { return c.client }

// methodKey is a method as it is called: a generated stub calls one path with one kind.
type methodKey struct {
	path string
	kind naru.Kind
}

// maxMethods bounds Conn.methods: a program may make up a path for each call.
const maxMethods = 4096

// method returns the description of a method, the same for each of its calls.
func (c *Conn) method(path string, kind naru.Kind) *naru.MethodInfo {
	key := methodKey{path, kind}
	if m, ok := c.methods.Load(key); ok {
		return m.(*naru.MethodInfo)
	}
	m := &naru.MethodInfo{FullMethod: path, Kind: kind}
	if c.made.Add(1) <= maxMethods {
		c.methods.Store(key, m)
	}
	return m
}

// Invoke implements grpc.ClientConnInterface.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if len(c.config.calls) > 0 {
		opts = joinCallOptions(c.config.calls, opts)
	}
	if c.config.unary != nil {
		return c.config.unary(ctx, method, args, reply, c.config.self, c.invoker, opts...)
	}
	return c.invoke(ctx, method, args, reply, opts)
}

// invoker is what interceptors call. As in grpc-go, the connection it is given is not looked at.
func (c *Conn) invoker(ctx context.Context, method string, req, reply any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
	return c.invoke(ctx, method, req, reply, opts)
}

func (c *Conn) invoke(ctx context.Context, method string, args, reply any, opts []grpc.CallOption) error {
	if len(c.config.stats) > 0 {
		count := beginClient(ctx, c.config.stats, method, naru.KindUnary, opts)
		return count.unary(args, reply, func(ctx context.Context) error { return c.call(ctx, method, args, reply, opts) })
	}
	return c.call(ctx, method, args, reply, opts)
}

func (c *Conn) call(ctx context.Context, method string, args, reply any, opts []grpc.CallOption) error {
	m := c.method(method, naru.KindUnary)
	md := outgoing(ctx)
	if len(opts) == 0 && md == nil && len(c.config.creds) == 0 && len(c.config.naru) == 0 {
		return FromNaru(c.client.Invoke(ctx, m, message(args), message(reply)))
	}
	set, err := c.settings(method, md, opts)
	if err == nil {
		err = FromNaru(c.client.Invoke(ctx, m, set.message(args), set.message(reply), set.naru...))
	}
	set.finish(err)
	return err
}

// settings reads the options of a call.
func (c *Conn) settings(method string, md naru.CallOption, opts []grpc.CallOption) (*callSettings, error) {
	set := &callSettings{method: method, naru: c.config.naru[:len(c.config.naru):len(c.config.naru)]}
	if md != nil {
		set.add(md)
	}
	for _, creds := range c.config.creds {
		set.add(naru.WithCredentials(callCredentials{creds, method}))
	}
	return set, set.read(opts)
}

// joinCallOptions returns options of all calls followed by those of one. It keeps neither slice.
func joinCallOptions(all, own []grpc.CallOption) []grpc.CallOption {
	joined := make([]grpc.CallOption, 0, len(all)+len(own))
	return append(append(joined, all...), own...)
}

// NewStream implements grpc.ClientConnInterface.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if len(c.config.calls) > 0 {
		opts = joinCallOptions(c.config.calls, opts)
	}
	if c.config.stream != nil {
		return c.config.stream(ctx, desc, c.config.self, method, c.streamer, opts...)
	}
	return c.newStream(ctx, desc, method, opts)
}

// streamer is what interceptors call. As in grpc-go, the connection it is given is not looked at.
func (c *Conn) streamer(ctx context.Context, desc *grpc.StreamDesc, _ *grpc.ClientConn, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.newStream(ctx, desc, method, opts)
}

func (c *Conn) newStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts []grpc.CallOption) (grpc.ClientStream, error) {
	s := &clientStream{kind: kindOf(desc)}
	if len(c.config.stats) > 0 {
		s.stats = beginClient(ctx, c.config.stats, method, s.kind, opts)
		ctx = s.stats.ctx
	}
	err := s.begin(ctx, c, method, opts)
	if err != nil {
		s.set.finish(err)
		if s.stats != nil {
			s.stats.end(nil, err)
		}
		return nil, err
	}
	return s, nil
}

// begin begins the stream. The error is a status error.
func (s *clientStream) begin(ctx context.Context, c *Conn, method string, opts []grpc.CallOption) error {
	set, err := c.settings(method, outgoing(ctx), opts)
	s.set = set
	if err != nil {
		return err
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.set.add(naru.CapturePeer(&s.peer))
	inner, err := c.client.NewStream(s.ctx, c.method(method, s.kind), s.set.naru...)
	if err != nil {
		s.cancel()
		return FromNaru(err)
	}
	s.inner = inner
	if len(s.set.onFinish) > 0 || s.stats != nil {
		// A program that ends its context need not look at the stream again.
		context.AfterFunc(s.ctx, func() { s.finish(contextError(s.ctx)) })
	}
	return nil
}

// chainUnaryClient makes one interceptor of several, nil of none.
func chainUnaryClient(all []grpc.UnaryClientInterceptor) grpc.UnaryClientInterceptor {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	first, rest := all[0], chainUnaryClient(all[1:])
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		next := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
			return rest(ctx, method, req, reply, cc, invoker, opts...)
		}
		return first(ctx, method, req, reply, cc, next, opts...)
	}
}

// chainStreamClient makes one interceptor of several, nil of none.
func chainStreamClient(all []grpc.StreamClientInterceptor) grpc.StreamClientInterceptor {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	first, rest := all[0], chainStreamClient(all[1:])
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		next := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return rest(ctx, desc, cc, method, streamer, opts...)
		}
		return first(ctx, desc, cc, method, next, opts...)
	}
}
