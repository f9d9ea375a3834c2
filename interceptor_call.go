package naru

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
)

// MessageInfo is what is known of a message beside its contents.
type MessageInfo struct {
	// Size is the bytes of its encoding.
	Size int
	// WireSize is the bytes that were sent or received for it, prefix included, after compression.
	WireSize int
	// Compressed tells how it travelled.
	Compressed bool
}

// Call is what an interceptor sees of a call. Its methods are safe for concurrent use.
type Call struct {
	// immutable
	method *MethodInfo
	side   stats.Side
	server *server.Call // nil on a client
	hooks  wire.Hooks
	// newRequest makes a message for the only request of a server's call; nil if it has no such.
	newRequest func() any
	into       any                // the program's message for the response of a client's unary call
	stream     *interceptedStream // nil on a server, and of unary calls

	// guarded by mu
	mu        sync.Mutex
	onReceive []func(m any, info MessageInfo) error
	onSend    []func(m any) (any, error)
	received  stats.Count
	sent      stats.Count
	peer      Peer
	attempts  int
	header    metadata.MD
	trailer   metadata.MD
	opts      []CallOption
	onAttempt []func(Attempt)
	ran       bool // the handler of a server's call has been called
	request   any  // nil: not known, or on a server not decoded yet
	response  any  // nil: none yet
	supplied  any  // the response an interceptor set
}

// Attempt is one sending of a call, as a client's interceptor is told of it.
type Attempt struct {
	// Number counts from 1.
	Number int
	// Peer is the server it was sent to.
	Peer Peer
	// Ended is false when the attempt has been sent, and true when it is over. An attempt that
	// fails is not the end of the call if another follows.
	Ended bool
	// Err is the attempt's status error when it is over, nil for OK.
	Err error
}

func newCall(m *MethodInfo, side stats.Side, server *server.Call) *Call {
	c := &Call{method: m, side: side, server: server}
	c.hooks = wire.Hooks{Receive: c.receive, Send: c.send, Sent: c.countSent, Reply: c.noteResponse}
	return c
}

// Method returns the method called.
func (c *Call) Method() *MethodInfo { return c.method }

// Kind returns the kind of the method.
func (c *Call) Kind() Kind { return c.method.Kind }

// Side returns the end of the call this is.
func (c *Call) Side() stats.Side { return c.side }

// Peer returns the other end of the connection. On a client it is known after next, and while a
// stream runs; before that it is zero.
func (c *Call) Peer() Peer {
	if c.server != nil {
		return peerOf(c.server.Conn())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}

// Attempts returns how often the call was sent so far, on a client; 0 on a server. When a hedged
// call has its response, attempts that were being sent at that time are counted too.
func (c *Call) Attempts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attempts
}

// Deadline returns when the call ends at the latest, and whether there is such a time. On a client
// it is the context's; options and the service config may set an earlier one.
func (c *Call) Deadline(ctx context.Context) (time.Time, bool) { return ctx.Deadline() }

// RequestHeader returns a copy of the request's metadata: on a server what came, on a client what
// ctx holds. A client's interceptor adds to it by giving next a context made with
// metadata.AppendToOutgoingContext.
func (c *Call) RequestHeader(ctx context.Context) metadata.MD {
	if c.side == stats.Server {
		md, _ := metadata.FromIncomingContext(ctx)
		return md
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	return md
}

// ResponseHeader returns the response's header after next: on a client what came, on a server what
// was set. A server's interceptor sets it with SetHeader.
func (c *Call) ResponseHeader() metadata.MD {
	if c.server != nil {
		return c.server.Header()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header.Copy()
}

// ResponseTrailer is ResponseHeader for the trailer.
func (c *Call) ResponseTrailer() metadata.MD {
	if c.server != nil {
		return c.server.Trailer()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trailer.Copy()
}

// OnReceive adds a function that is called with each message received, after decoding. It may
// change the message in place. Its error ends the call with it. To be called before next; functions
// run in the order they were added, on the goroutine that receives.
func (c *Call) OnReceive(f func(m any, info MessageInfo) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onReceive = append(c.onReceive, f)
}

// OnSend adds a function that is called with each message before it is encoded, and returns the
// message to send in its place: the same, or another; it must not change the one it is given,
// which is the program's. Its error ends the call with it. Otherwise as OnReceive.
func (c *Call) OnSend(f func(m any) (any, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onSend = append(c.onSend, f)
}

// OnAttempt adds a function that is told when an attempt of the call is sent and when it has ended:
// on a client; without effect on a server. To be called before next. Under a hedging policy
// attempts run, and functions are called, at the same time.
func (c *Call) OnAttempt(f func(Attempt)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onAttempt = append(c.onAttempt, f)
}

// AddOptions adds call options on a client, after those of the program; without effect on a server.
// To be called before next.
func (c *Call) AddOptions(opts ...CallOption) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opts = append(c.opts, opts...)
}

// Received returns what was received so far.
func (c *Call) Received() stats.Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received
}

// Sent returns what was sent so far.
func (c *Call) Sent() stats.Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

func count(n *stats.Count, info wire.MessageInfo) {
	n.Messages++
	n.Bytes += int64(info.Size)
	n.WireBytes += int64(info.WireSize)
}

func (c *Call) receive(m any, info wire.MessageInfo) error {
	c.mu.Lock()
	count(&c.received, info)
	hooks := c.onReceive
	c.mu.Unlock()
	for _, f := range hooks {
		if err := f(m, MessageInfo(info)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) send(m any) (any, error) {
	c.mu.Lock()
	hooks := c.onSend
	c.mu.Unlock()
	for _, f := range hooks {
		var err error
		if m, err = f(m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (c *Call) countSent(info wire.MessageInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil && !c.method.Kind.ServerStreams() {
		c.sent = stats.Count{} // of several responses only the last is sent
	}
	count(&c.sent, info)
}

func (c *Call) attempt(a Attempt) {
	c.mu.Lock()
	if !a.Ended {
		c.attempts = max(c.attempts, a.Number)
	}
	hooks := c.onAttempt
	c.mu.Unlock()
	for _, f := range hooks {
		f(a)
	}
}

// setPeer notes whose response is the call's, and how many attempts were begun by then: of one that
// loses, the note that it was sent may come after the response.
func (c *Call) setPeer(info *transport.ConnInfo, attempts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer = peerOf(info)
	c.attempts = max(c.attempts, attempts)
}

// setResponse keeps a client's view of the response's metadata.
func (c *Call) setResponse(header, trailer metadata.MD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header, c.trailer = header, trailer
}

// functionName is what the program's text calls a function.
func functionName(f Interceptor) string {
	if fn := runtime.FuncForPC(reflect.ValueOf(f).Pointer()); fn != nil {
		return fn.Name()
	}
	return "unknown"
}
