package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
)

// A Call is one call as a server sees it: sink of its stream, the handler's context.Context, and
// what handlers of streams send and receive on. It lives as long as anybody holds its context, and
// nothing in it is reused for another call; its exchange is, when no one can reach it any more.
//
// Its life: NewCall on the read loop; Dispatch when the request is complete (for methods
// whose client sends one message and no authenticator is set) or at once; Run on a worker; finish.
//
// Locks: sendMu before mu before lifeMu. The stream's methods may be called under all of them,
// since a transport calls no sink while it holds a lock.
type Call struct {
	lifetime
	*exchange // nil once a unary call is over, see recycle

	// immutable after NewCall
	env       *Env
	method    *Method
	conn      *transport.ConnInfo
	runner    Dispatcher
	path      string
	authority string
	fields    []transport.Field // of the request, those still of use; shared with other calls

	// immutable until recycle, which makes it nil if nothing can arrive any more
	stream transport.ServerStream

	// owned by the worker until it runs the handler, immutable after
	ctx context.Context // the handler's: the call itself, or what the authenticator made of it

	// guarded by mu: what has arrived
	mu        sync.Mutex
	got       int              // bytes taken over from the transport
	problem   *wire.Problem    // the request is wrong from here on
	closed    *transport.Error // the stream is gone
	ended     bool             // the client sends no more
	over      bool             // finished: what still arrives is dropped
	stage     callStage
	waiting   bool // a receiver waits for wake
	delivered bool // Data has brought the end, before the call was over

	// guarded by sendMu: the response
	headSent  bool
	announced bool // the head named encoding
	finished  bool
	answered  int32 // bytes of the one response
	sendMu    sync.Mutex
	header    metadata.MD
	trailer   metadata.MD

	// atomic
	receiver atomic.Int32 // who may touch the reader half of messages, see receiving
	credited atomic.Int64 // bytes of got that were given back, or creditedAll
	incoming atomic.Pointer[metadata.MD]
}

// A callStage is how far a call has come to being worked on.
type callStage uint8

const (
	callArriving   callStage = iota
	callExpired              // its deadline has passed before it was dispatched
	callDispatched           // the Dispatcher has it
	callRuns                 // Run has come to it
	callOutlived             // it runs and its stream is gone
)

// NewCall begins a call on the read loop and returns it as the stream's sink. end: the request
// has no body. subtype is what ParseContentType said. A nil codec is found later.
func NewCall(env *Env, m *Method, runner Dispatcher, stream transport.ServerStream, head *transport.RequestHead, subtype string, end bool) *Call {
	c := &Call{
		env: env, method: m, runner: runner, stream: stream, conn: stream.Conn(),
		path: head.Path, authority: head.Authority,
		ended:    end,
		exchange: newExchange(),
	}
	c.seen = env.Observe.Arrive()
	c.ctx = c
	c.subtype = subtype
	c.messages.Limit, c.messages.Single = c.receiveLimit(), !m.ClientStreams
	c.fields = env.fields.keep(head.Fields)
	for i := range head.Fields {
		if f := &head.Fields[i]; f.Name == wire.FieldTimeout {
			c.setTimeout(f.Value)
			break
		}
	}
	// Under mu: from its being on the list on the call may expire, which must find it dispatched or
	// not, and not in between.
	c.mu.Lock()
	if !c.deadline.IsZero() {
		runner.Unfinished().add(c)
	}
	if c.early != nil || end || m.ClientStreams || env.Authenticate != nil {
		c.stage = callDispatched
		runner.Dispatch(c)
	}
	c.mu.Unlock()
	return c
}

// setTimeout is done here, not on the worker: time spent in its queue counts.
func (c *Call) setTimeout(value string) {
	d, err := wire.ParseTimeout(value)
	if err != nil {
		c.early = &wire.Problem{Code: codes.Internal, Text: "malformed grpc-timeout: " + err.Error()}
		c.earlyHTTP = 400
		return
	}
	c.deadline = time.Now().Add(d)
}

// Data implements transport.Sink.
func (c *Call) Data(p []byte, end bool) {
	c.mu.Lock()
	if c.over || c.problem != nil || c.closed != nil {
		c.ended = c.ended || end
		c.mu.Unlock()
		c.stream.Consumed(len(p)) // delivered is not set: the stream stays this call's
		return
	}
	c.delivered = end // nothing below touches the stream without mu
	c.got += len(p)
	c.fail(c.messages.Add(p))
	if begin, end, ok := c.messages.Want(); ok && c.problem == nil {
		// RFC 9113 §6.9.1 lets a sender wait for ever: a message larger than the window never
		// becomes complete unless the window grows with it.
		c.stream.Want(begin, end)
	}
	if end {
		c.endLocked()
	}
	c.progressLocked()
	c.mu.Unlock()
}

func (c *Call) fail(p *wire.Problem) {
	if p == nil || c.problem != nil {
		return
	}
	c.problem = p
	switch p.Code {
	case codes.ResourceExhausted:
		c.runner.Problem(reason.MessageTooLarge)
	case codes.Unimplemented:
		c.runner.Problem(reason.MessageCount)
	default:
		c.runner.Problem(reason.MessageMalformed)
	}
}

func (c *Call) endLocked() {
	c.ended = true
	if c.messages.Partial() {
		c.fail(&wire.Problem{Code: codes.Internal, Text: "request ended in the middle of a message"})
	}
}

// progressLocked tells whoever waits for what has just arrived.
func (c *Call) progressLocked() {
	if !c.method.ClientStreams {
		if c.ended {
			c.checkSingleLocked()
		}
		if !c.ended && c.problem == nil && c.closed == nil {
			return // an incomplete request is of no use to anybody
		}
		if c.stage == callArriving && c.closed == nil {
			c.stage = callDispatched
			c.runner.Dispatch(c)
		}
	}
	c.wakeLocked()
}

// checkSingleLocked: a method that takes one message gets no less. That it gets no more is seen to
// as they come.
func (c *Call) checkSingleLocked() {
	if c.messages.Messages() == 0 {
		c.fail(&wire.Problem{Code: codes.Unimplemented, Text: "client sent no message to a method that takes one"})
	}
}

// Trailers implements transport.Sink. gRPC gives request trailers no meaning.
func (c *Call) Trailers([]transport.Field) { c.Data(nil, true) }

// Closed implements transport.Sink.
func (c *Call) Closed(err *transport.Error) {
	// The context first: a handler whose RecvMsg fails must find it ended.
	c.end(err)
	c.mu.Lock()
	c.closed = err
	c.ended = true
	stage := c.stage
	if stage == callRuns && !c.over {
		c.stage = callOutlived
	}
	outlived := c.stage == callOutlived
	c.wakeLocked()
	c.mu.Unlock()
	switch {
	case outlived:
		c.runner.Abandoned(c)
	case stage == callArriving || stage == callDispatched && c.runner.Withdraw(c):
		c.leaveUnfinished()
		c.release()
		c.seenEnded(nil)
	}
}

func (c *Call) wakeLocked() {
	if c.waiting {
		c.waiting = false
		select {
		case c.wake <- struct{}{}:
		default: // a token of a wait that ended otherwise is still there, and as good
		}
	}
}

// release gives back what was received and not used. The call is over. It reports whether nobody is
// receiving.
func (c *Call) release() (idle bool) {
	c.mu.Lock()
	c.over = true
	c.messages.Drop()
	rest := 0
	if before := c.credited.Swap(creditedAll); before != creditedAll {
		rest = c.got - int(before)
	}
	c.wakeLocked()
	c.mu.Unlock()
	if idle = c.receiver.Swap(wire.ReceiverClosed) == wire.ReceiverIdle; idle {
		c.messages.Refill(nil)
	}
	if rest > 0 {
		c.stream.Consumed(rest)
	}
	return idle
}

// Method returns the description of the call's method.
func (c *Call) Method() *Method { return c.method }

// codecFor finds the codec of the request's content subtype.
func (c *Call) codecFor() encoding.Codec { return c.env.Registry.Codec(c.subtype) }
