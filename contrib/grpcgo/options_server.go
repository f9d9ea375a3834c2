package grpcgo

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/limits"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	grpcenc "google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// serverOptions is what grpc.ServerOptions say.
type serverOptions struct {
	naru         []naru.ServerOption
	unary        grpc.UnaryServerInterceptor
	stream       grpc.StreamServerInterceptor
	unknown      *grpc.StreamDesc
	stats        []stats.Handler
	insecureInfo bool // insecure credentials were given: peers have their AuthInfo
	wait         bool // Stop waits for handlers
}

// readServerOptions reads options as a server of grpc-go has understood them.
func readServerOptions(opts []grpc.ServerOption) (*serverOptions, error) {
	s, plain := grpc.NewServer(opts...), grpc.NewServer()
	defer plain.Stop()
	defer s.Stop()
	f, err := fieldsOf(s, plain, "opts")
	if err != nil {
		return nil, err
	}
	o := &serverOptions{
		unary:  field[grpc.UnaryServerInterceptor](f, "unaryInt"), // the whole chain: NewServer has made one of it
		stream: field[grpc.StreamServerInterceptor](f, "streamInt"),
		stats:  field[[]stats.Handler](f, "statsHandlers"),
		wait:   field[bool](f, "waitForHandlers"),
	}
	f.seen["chainUnaryInts"], f.seen["chainStreamInts"] = true, true
	if d := field[*grpc.StreamDesc](f, "unknownStreamDesc"); d != nil {
		o.unknown = d
	}
	o.readTransport(f)
	o.readCalls(f)
	o.refuse(f)
	f.rest()
	return o, f.error("new server")
}

func (o *serverOptions) add(opt naru.ServerOption) { o.naru = append(o.naru, opt) }

// readTransport reads what is said of connections.
func (o *serverOptions) readTransport(f *fields) {
	if creds := field[credentials.TransportCredentials](f, "creds"); creds != nil {
		t, err := transportOf(creds)
		switch {
		case err != nil:
			f.refuse("Creds", err.Error())
		case t.plain:
			o.insecureInfo = true
		default:
			o.add(naru.WithTLS(t.config))
		}
	}
	k := field[keepalive.ServerParameters](f, "keepaliveParams")
	o.add(naru.WithKeepalive(naru.Keepalive{
		Interval: k.Time, Timeout: k.Timeout, MaxConnectionIdle: k.MaxConnectionIdle,
		MaxConnectionAge: k.MaxConnectionAge, MaxConnectionAgeGrace: k.MaxConnectionAgeGrace,
	}))
	p := field[keepalive.EnforcementPolicy](f, "keepalivePolicy")
	l := limits.Limits{PingInterval: p.MinTime, PingWithoutStreams: p.PermitWithoutStream}
	if f.changed("connectionTimeout") {
		l.PrefaceTimeout = field[time.Duration](f, "connectionTimeout")
	}
	if n := field[uint32](f, "maxConcurrentStreams"); n != math.MaxUint32 {
		l.MaxConcurrentStreams = int(min(n, math.MaxInt32))
	}
	if n := field[*uint32](f, "maxHeaderListSize"); n != nil {
		l.MaxHeaderListSize = int(min(*n, 1<<28))
	}
	o.add(naru.WithLimits(l))
	for name, option := range map[string]string{
		"initialWindowSize": "InitialWindowSize", "initialConnWindowSize": "InitialConnWindowSize", "staticWindowSize": "StaticStreamWindowSize",
		"writeBufferSize": "WriteBufferSize", "readBufferSize": "ReadBufferSize", "sharedWriteBuffer": "SharedWriteBuffer",
		"headerTableSize": "HeaderTableSize", "numServerWorkers": "NumStreamWorkers", "bufferPool": "bufferPool",
	} {
		if f.changed(name) {
			tuned("server", option)
		}
	}
}

// readCalls reads what is said of calls.
func (o *serverOptions) readCalls(f *fields) {
	o.add(naru.WithLimits(limits.Limits{
		MaxReceiveMessageSize: atLeastOne(field[int](f, "maxReceiveMessageSize")),
		MaxSendMessageSize:    atLeastOne(field[int](f, "maxSendMessageSize")),
	}))
	var forced grpcenc.CodecV2
	if c := f.opaque("codec"); c != nil {
		if named, ok := c.(grpcenc.CodecV2); ok {
			forced = named
		} else if unnamed, ok := c.(unnamedCodec); ok {
			forced = anyCodec{unnamed}
		} else {
			f.missing("codec")
		}
	}
	o.add(encodingOption(forced))
	if handle := field[tap.ServerInHandle](f, "inTapHandle"); handle != nil {
		o.add(naru.WithAuthenticator(func(ctx context.Context, _ *naru.Call) (context.Context, error) {
			return runTap(ctx, handle)
		}))
	}
}

// refuse names the options that have no place here.
func (o *serverOptions) refuse(f *fields) {
	if f.changed("cp") {
		f.refuse("RPCCompressor", "register the compressor with encoding.RegisterCompressor in its place")
	}
	if f.changed("dc") {
		f.refuse("RPCDecompressor", "register the compressor with encoding.RegisterCompressor in its place")
	}
	if f.changed("binaryLogger") {
		f.refuse("BinaryLogger", "naru writes no binary log; use an interceptor")
	}
	if f.changed("streamWrapper") {
		f.refuse("an option of grpc-go's own", "it wraps streams of grpc-go's transport")
	}
}

// tuned says that an option has no effect: it sizes a part that grpc-go's transport has and naru's
// has not.
func tuned(side, option string) {
	slog.Default().Info("grpcgo: an option of grpc-go's transport has no effect; naru sizes its buffers and windows itself", "side", side, "option", option)
}

// runTap runs a tap handle, before anything of the call but its header is looked at.
func runTap(ctx context.Context, handle tap.ServerInHandle) (context.Context, error) {
	c := newServerCall(ctx)
	tapped, err := handle(c, &tap.Info{FullMethodName: c.Method(), Header: c.incomingMD()})
	if err != nil {
		return nil, tapError(err)
	}
	return tapped, nil
}

// tapError is the status of a call that a tap handle refused.
func tapError(err error) error {
	if s, ok := grpcstatus.FromError(err); ok {
		return ToNaru(s.Err())
	}
	return ToNaru(grpcstatus.Error(codes.PermissionDenied, err.Error()))
}
