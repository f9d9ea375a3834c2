package grpcgo

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/limits"
	narumd "github.com/naru-rpc/naru/metadata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	grpcenc "google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	grpcstatus "google.golang.org/grpc/status"
)

// callSettings is what the options of one call say. It is owned by the goroutine that makes the
// call, and by the stream's end after that.
type callSettings struct {
	method   string
	naru     []naru.CallOption
	codec    grpcenc.CodecV2 // nil: the content subtype's
	subtype  string
	header   *metadata.MD // nil: not wanted
	trailer  *metadata.MD
	peer     *peer.Peer
	reached  naru.Peer
	onFinish []func(error)
	// creds are the last PerRPCCredentials given: of several the last one holds.
	creds credentials.PerRPCCredentials
}

func (s *callSettings) add(o naru.CallOption) { s.naru = append(s.naru, o) }

// read translates the options. The error is a status error of grpc-go.
func (s *callSettings) read(opts []grpc.CallOption) error {
	for _, o := range opts {
		if err := s.readOne(o); err != nil {
			return err
		}
	}
	if s.codec != nil && s.subtype == "" {
		name, err := subtypeOf(s.codec.Name())
		if err != nil {
			return grpcstatus.Errorf(codes.Internal, "grpcgo: ForceCodec: %v", err)
		}
		s.subtype = name
	}
	if s.subtype != "" {
		if s.codec == nil && s.subtype != "proto" && registeredCodec(s.subtype) == nil {
			return grpcstatus.Errorf(codes.Internal, "no codec registered for content-subtype %s", s.subtype)
		}
		s.add(naru.WithCodec(s.subtype))
	}
	if s.creds != nil {
		s.add(naru.WithCredentials(callCredentials{s.creds, s.method}))
	}
	return nil
}

func (s *callSettings) readOne(o grpc.CallOption) error {
	switch o := o.(type) {
	case grpc.HeaderCallOption:
		s.header = o.HeaderAddr
		s.add(naru.CaptureHeader((*narumd.MD)(o.HeaderAddr)))
	case grpc.TrailerCallOption:
		s.trailer = o.TrailerAddr
		s.add(naru.CaptureTrailer((*narumd.MD)(o.TrailerAddr)))
	case grpc.PeerCallOption:
		s.peer = o.PeerAddr
		s.add(naru.CapturePeer(&s.reached))
	case grpc.FailFastCallOption:
		s.add(naru.WaitForReady(!o.FailFast))
	case grpc.MaxRecvMsgSizeCallOption:
		s.add(naru.WithLimits(limits.Limits{MaxReceiveMessageSize: atLeastOne(o.MaxRecvMsgSize)}))
	case grpc.MaxSendMsgSizeCallOption:
		s.add(naru.WithLimits(limits.Limits{MaxSendMessageSize: atLeastOne(o.MaxSendMsgSize)}))
	case grpc.CompressorCallOption:
		if n := o.CompressorType; n != "" && n != grpcenc.Identity && grpcenc.GetCompressor(n) == nil && !builtinCompressor(n) {
			return grpcstatus.Errorf(codes.Internal, "grpc: Compressor is not installed for requested grpc-encoding %q", n)
		}
		s.add(naru.WithCompression(o.CompressorType))
	case grpc.PerRPCCredsCallOption:
		s.creds = o.Creds
	case grpc.AuthorityOverrideCallOption:
		s.add(naru.WithAuthority(o.Authority))
	case grpc.OnFinishCallOption:
		s.onFinish = append(s.onFinish, o.OnFinish)
	case grpc.MaxRetryRPCBufferSizeCallOption, grpc.StaticMethodCallOption, grpc.EmptyCallOption, *grpc.EmptyCallOption:
		// The first bounds what naru bounds by itself, the second is a hint for stats handlers.
	default:
		return s.readCodec(o)
	}
	return nil
}

func (s *callSettings) readCodec(o grpc.CallOption) error {
	switch o := o.(type) {
	case grpc.ContentSubtypeCallOption:
		s.subtype = o.ContentSubtype
	case grpc.ForceCodecCallOption:
		s.codec = codecV1{o.Codec}
	case grpc.ForceCodecV2CallOption:
		s.codec = o.CodecV2
	case grpc.CustomCodecCallOption:
		s.codec = codecV0{o.Codec}
	case nil:
		return grpcstatus.Error(codes.Internal, "grpcgo: a call option is nil")
	default:
		if embedsEmpty(o) {
			return nil // an interceptor's own option
		}
		return grpcstatus.Errorf(codes.Internal, "grpcgo: the call option %T is not known to this version: see the table in docs/guide/migrate.md", o)
	}
	return nil
}

// message returns m with the call's own codec, if it has one.
func (s *callSettings) message(m any) any {
	if s.codec == nil {
		return message(m)
	}
	return &coded{s.codec, m}
}

// finish gives the program what it asked for when the call has ended.
func (s *callSettings) finish(err error) {
	if s.peer != nil && s.reached.Addr != nil {
		*s.peer = *peerOf(s.reached)
	}
	for _, f := range s.onFinish {
		f(err)
	}
	s.onFinish = nil
}

// atLeastOne: grpc-go takes 0 and less for "no byte"; naru for the default and for no limit.
func atLeastOne(n int) int { return max(n, 1) }

func builtinCompressor(name string) bool { return name == "gzip" || name == "zstd" }

// outgoing returns an option that sends the metadata of ctx, nil if there is none.
func outgoing(ctx context.Context) naru.CallOption {
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok || len(md) == 0 {
		return nil
	}
	pairs := make([]string, 0, 2*len(md))
	for key, values := range md {
		if narumd.IsProtocol(key) {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, key, v)
		}
	}
	return naru.WithMetadata(pairs...)
}

// callCredentials are credentials of grpc-go for one call, which may ask for its method.
type callCredentials struct {
	credentials.PerRPCCredentials
	method string
}

// GetRequestMetadata implements credentials.PerRPC.
func (c callCredentials) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	info := credentials.RequestInfo{Method: c.method, AuthInfo: insecureInfo}
	if c.RequireTransportSecurity() {
		// naru asks such credentials on connections with TLS alone.
		info.AuthInfo = credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}
	}
	md, err := c.PerRPCCredentials.GetRequestMetadata(credentials.NewContextWithRequestInfo(ctx, info), uri...)
	if err != nil {
		if _, ok := grpcstatus.FromError(err); ok {
			return nil, ToNaru(err)
		}
		return nil, ToNaru(grpcstatus.Error(codes.Unauthenticated, fmt.Sprintf("transport: per-RPC creds failed due to error: %v", err)))
	}
	return md, nil
}

// once runs a function the first time it is called.
type once struct{ done atomic.Bool }

func (o *once) do(f func()) {
	if o.done.CompareAndSwap(false, true) {
		f()
	}
}

// embedsEmpty reports whether o is a struct that embeds grpc.EmptyCallOption, as options of
// interceptors do.
func embedsEmpty(o grpc.CallOption) bool {
	t := reflect.TypeOf(o)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		switch f := t.Field(i); f.Type {
		case reflect.TypeFor[grpc.EmptyCallOption](), reflect.TypeFor[grpc.CallOption]():
			if f.Anonymous {
				return true
			}
		}
	}
	return false
}
