package grpcgo

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru"
	narustats "github.com/naru-rpc/naru/stats"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

// statsKey is the key of a call's counting in its context: a *statsCall on a server, a *clientStats
// on a client.
type statsKey struct{}

// statsInterceptor tells handlers of the calls of a server, of every service on it. TagConn and
// HandleConn are not called: naru has no place for what they would return.
func statsInterceptor(handlers []stats.Handler) naru.Interceptor {
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		base := newServerCall(ctx)
		tagged := context.Context(base)
		for _, h := range handlers {
			tagged = h.TagRPC(tagged, &stats.RPCTagInfo{FullMethodName: call.Method().FullMethod})
		}
		st := &statsCall{handlers: handlers, call: call, ctx: tagged, began: time.Now()}
		p := call.Peer()
		st.tell(&stats.InHeader{FullMethod: call.Method().FullMethod, RemoteAddr: p.Addr, LocalAddr: p.LocalAddr, Header: base.incomingMD().Copy()})
		kind := call.Kind()
		st.tell(&stats.Begin{BeginTime: st.began, IsClientStream: kind.ClientStreams(), IsServerStream: kind.ServerStreams()})
		call.OnReceive(func(m any, info naru.MessageInfo) error {
			st.tell(&stats.InPayload{Payload: m, Length: info.Size, CompressedLength: info.WireSize - 5, WireLength: info.WireSize, RecvTime: time.Now()})
			return nil
		})
		err := next(context.WithValue(tagged, statsKey{}, st))
		st.tell(&stats.OutTrailer{Trailer: metadata.MD(call.ResponseTrailer())})
		st.tell(&stats.End{BeginTime: st.began, EndTime: time.Now(), Error: FromNaru(err)})
		return err
	}
}

// statsCall is one call of a server as its stats handlers see it. Immutable but for headerTold.
type statsCall struct {
	handlers []stats.Handler
	call     *naru.Call
	ctx      context.Context // what the handlers made of the call's
	began    time.Time

	// atomic
	headerTold atomic.Bool
}

func (s *statsCall) tell(event stats.RPCStats) {
	for _, h := range s.handlers {
		h.HandleRPC(s.ctx, event)
	}
}

// sentHeader tells of the response's header, once.
func (s *statsCall) sentHeader() {
	if s.headerTold.CompareAndSwap(false, true) {
		s.tell(&stats.OutHeader{Header: metadata.MD(s.call.ResponseHeader())})
	}
}

// send tells of a message that f sends. One goroutine sends at a time.
func (s *statsCall) send(m any, f func() error) error {
	before := s.call.Sent()
	err := f()
	if err != nil {
		return err
	}
	s.sentHeader()
	s.tell(outPayload(before, s.call.Sent(), m, false))
	return nil
}

// outPayload is the message that was sent between two counts.
func outPayload(before, after narustats.Count, m any, client bool) *stats.OutPayload {
	wire := int(after.WireBytes - before.WireBytes)
	return &stats.OutPayload{
		Client: client, Payload: m, SentTime: time.Now(),
		Length: int(after.Bytes - before.Bytes), CompressedLength: wire - 5, WireLength: wire,
	}
}

// clientInterceptor gives a call's counting what naru knows of the call.
func clientInterceptor(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	if st, ok := ctx.Value(statsKey{}).(*clientStats); ok {
		st.call.Store(call)
		call.OnAttempt(func(a naru.Attempt) {
			if !a.Ended {
				st.sentHeader(a.Peer)
			}
		})
	}
	return next(ctx)
}

// clientStats is one call of a client as its stats handlers see it. Safe for concurrent use.
type clientStats struct {
	// immutable
	handlers []stats.Handler
	method   string
	ctx      context.Context // what the handlers made of the call's
	began    time.Time

	// atomic
	call atomic.Pointer[naru.Call] // nil until the call has begun

	// guarded by mu
	mu              sync.Mutex
	outTold, inTold bool // headers
	out, in         narustats.Count
	ended           bool
}

func beginClient(ctx context.Context, handlers []stats.Handler, method string, kind naru.Kind, opts []grpc.CallOption) *clientStats {
	failFast := true
	for _, o := range opts {
		if o, ok := o.(grpc.FailFastCallOption); ok {
			failFast = o.FailFast
		}
	}
	for _, h := range handlers {
		ctx = h.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: method, FailFast: failFast})
	}
	s := &clientStats{handlers: handlers, method: method, began: time.Now()}
	s.ctx = context.WithValue(ctx, statsKey{}, s)
	s.tell(&stats.Begin{
		Client: true, BeginTime: s.began, FailFast: failFast,
		IsClientStream: kind.ClientStreams(), IsServerStream: kind.ServerStreams(),
	})
	return s
}

func (s *clientStats) tell(event stats.RPCStats) {
	for _, h := range s.handlers {
		h.HandleRPC(s.ctx, event)
	}
}

// unary makes a call with f and tells of it.
func (s *clientStats) unary(req, res any, f func(context.Context) error) error {
	err := f(s.ctx)
	call := s.call.Load()
	if call == nil { // it could not be begun
		s.end(nil, err)
		return err
	}
	if call.Sent().Messages > 0 {
		s.sent(req)
	}
	if header := call.ResponseHeader(); len(header) > 0 || err == nil {
		s.gotHeader(metadata.MD(header))
	}
	if err == nil {
		s.received(res)
	}
	s.end(metadata.MD(call.ResponseTrailer()), err)
	return err
}

// sentHeader tells of the request's header, for the first attempt.
func (s *clientStats) sentHeader(p naru.Peer) {
	s.mu.Lock()
	told := s.outTold
	s.outTold = true
	s.mu.Unlock()
	if told {
		return
	}
	md, _ := metadata.FromOutgoingContext(s.ctx)
	s.tell(&stats.OutHeader{Client: true, Header: md, FullMethod: s.method, RemoteAddr: p.Addr, LocalAddr: p.LocalAddr})
}

// gotHeader tells of the response's header, once.
func (s *clientStats) gotHeader(md metadata.MD) {
	s.mu.Lock()
	told := s.inTold
	s.inTold = true
	s.mu.Unlock()
	if !told {
		s.tell(&stats.InHeader{Client: true, Header: md})
	}
}

// sent tells of a message that has been sent. One goroutine sends at a time.
func (s *clientStats) sent(m any) {
	call := s.call.Load()
	if call == nil {
		return
	}
	s.mu.Lock()
	before := s.out
	s.out = call.Sent()
	event := outPayload(before, s.out, m, true)
	s.mu.Unlock()
	s.tell(event)
}

// received tells of a message that has come. One goroutine receives at a time.
func (s *clientStats) received(m any) {
	call := s.call.Load()
	if call == nil {
		return
	}
	s.mu.Lock()
	before := s.in
	s.in = call.Received()
	wire := int(s.in.WireBytes - before.WireBytes)
	event := &stats.InPayload{
		Client: true, Payload: m, RecvTime: time.Now(),
		Length: int(s.in.Bytes - before.Bytes), CompressedLength: wire - 5, WireLength: wire,
	}
	s.mu.Unlock()
	s.tell(event)
}

// end tells of the end, once.
func (s *clientStats) end(trailer metadata.MD, err error) {
	s.mu.Lock()
	told := s.ended
	s.ended = true
	s.mu.Unlock()
	if told {
		return
	}
	if trailer != nil {
		s.tell(&stats.InTrailer{Client: true, Trailer: trailer})
	}
	s.tell(&stats.End{Client: true, BeginTime: s.began, EndTime: time.Now(), Trailer: trailer, Error: err})
}
