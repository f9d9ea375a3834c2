package client

import (
	"context"
	"sync"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
)

// An attempt is one stream opened for a call: the sink of its response, and the state of that. Once
// it has ended or was cancelled, the response's fields do not change and may be read without mu.
//
// Locks: mu is a leaf but for the stream's methods.
type attempt struct {
	// immutable after reset
	single bool             // one response: nobody is woken before it is complete
	seen   *observe.Attempt // nil: no handler wants to know
	run    *runner          // is told of the head and the end; nil: a unary call waits for the end itself

	// owned by the receiving goroutine
	credited int
	in       wire.Decoder
	checked  bool // the head was looked at
	late     bool // expire may be called still

	// set by the goroutine that launched it, before the runner makes it live
	conn transport.ClientConn
	done func(DoneInfo)     // called once, by who ends it
	stop context.CancelFunc // ends the launch; nil: the first attempt

	// guarded by mu
	mu       sync.Mutex
	stream   transport.ClientStream // nil until Open has returned
	peer     *transport.ConnInfo    // whom it was sent to
	sent     time.Time              // when; zero if nobody will ask
	number   int                    // of this attempt, from 1
	messages wire.Reassembler
	got      int
	headSeen bool
	only     bool // the head was the trailers, too
	ended    bool // the response is over, or closed is set
	dropped  bool // nobody receives any more
	expired  bool // its own time was up, see expire
	foreign  bool // the response is not gRPC's: its body is kept as text
	status   int  // HTTP status
	head     []transport.Field
	trailers []transport.Field
	snippet  []byte
	problem  *wire.Problem
	closed   *transport.Error
	over     *transport.Error // the section with the status exceeded this side's limit, and was cut
	waiting  bool
	wake     chan struct{} // capacity 1, one token per waiting; for the receiving goroutine
	bell     chan struct{} // closed with the next change; for anybody else, nil: nobody waits

	// slices of head and trailers as long as they fit
	inlineHead     [8]transport.Field
	inlineTrailers [6]transport.Field
}

// maxSnippet is how much of a body that is not gRPC's the status quotes.
const maxSnippet = 200

// reset prepares for another stream. Only for an attempt whose sink is not called any more.
func (a *attempt) reset(limit wire.Limit) {
	a.credited, a.checked, a.late = 0, false, false
	a.seen = nil
	a.stream, a.peer, a.sent = nil, nil, time.Time{}
	a.messages = wire.Reassembler{Limit: limit}
	a.got = 0
	a.headSeen, a.only, a.ended, a.dropped, a.expired, a.foreign, a.waiting = false, false, false, false, false, false, false
	a.status = 0
	a.head, a.trailers, a.snippet = nil, nil, nil
	a.problem, a.closed, a.over, a.bell = nil, nil, nil, nil
	clear(a.inlineHead[:])
	clear(a.inlineTrailers[:])
	if a.wake == nil {
		a.wake = make(chan struct{}, 1)
	}
	select {
	case <-a.wake:
	default:
	}
}

// opened is told the stream by the goroutine that opened it, after callbacks may have come.
func (a *attempt) opened(s transport.ClientStream, peer *transport.ConnInfo, number int, at time.Time) {
	a.mu.Lock()
	a.stream, a.peer, a.number, a.sent = s, peer, number, at
	if begin, end, ok := a.messages.Want(); ok {
		s.Want(begin, end) // the transport may have received more of it, which waits for mu
	}
	a.mu.Unlock()
}

// Head implements transport.ClientSink.
func (a *attempt) Head(h *transport.ResponseHead, end bool) {
	if a.seen != nil && !end {
		defer a.seen.Head(func() metadata.MD { return wire.MetadataOf(h.Fields) })
	}
	defer a.tell()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dropped {
		a.ended = a.ended || end
		return
	}
	a.headSeen = true
	a.status = h.Status
	a.head = append(a.inlineHead[:0], h.Fields...)
	a.foreign = !isGRPC(h.Fields)
	if h.Oversize != nil {
		a.foreign = false
	}
	// A response that is only trailers is judged by what came of them, see limited.
	if h.Oversize != nil && !(end && wire.FieldValue(h.Fields, wire.FieldStatus) != "") {
		a.problem = &wire.Problem{Code: codes.ResourceExhausted, Text: "response header: " + h.Oversize.Error()}
		a.wakeLocked()
	}
	if end {
		a.only, a.over = true, h.Oversize
		a.endLocked()
	} else {
		a.ringLocked()
		if !a.single {
			a.wakeLocked()
		}
	}
}

func isGRPC(fields []transport.Field) bool {
	_, ok := wire.ParseContentType(wire.FieldValue(fields, wire.FieldContentType))
	return ok
}

// Data implements transport.Sink.
func (a *attempt) Data(p []byte, end bool) {
	if end || a.run != nil && a.foreign { // foreign is the read loop's to set
		defer a.tell()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got += len(p)
	switch {
	case a.dropped || a.problem != nil:
		a.dropLocked(len(p))
	case a.foreign:
		a.snippet = append(a.snippet, p[:min(len(p), maxSnippet-len(a.snippet))]...)
		a.dropLocked(len(p))
	default:
		a.addLocked(p)
	}
	if end {
		a.endLocked()
	}
}

// tell lets the runner know that there is news. mu is not held.
func (a *attempt) tell() {
	if a.run != nil {
		a.run.heard(a)
	}
}

// dropLocked gives back bytes at once, if the stream is known; else they are when it ends.
func (a *attempt) dropLocked(n int) {
	if a.stream != nil {
		a.got -= n
		a.stream.Consumed(n)
	}
}

func (a *attempt) addLocked(p []byte) {
	if a.problem = a.messages.Add(p); a.problem != nil {
		a.wakeLocked() // whoever waits ends the attempt
		return
	}
	if a.stream != nil {
		if begin, end, ok := a.messages.Want(); ok {
			a.stream.Want(begin, end)
		}
	}
	if !a.single && a.messages.Ready() {
		a.wakeLocked()
	}
}

// Trailers implements transport.Sink.
func (a *attempt) Trailers(fields []transport.Field) {
	defer a.tell()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dropped {
		a.ended = true
		return
	}
	a.trailers = append(a.inlineTrailers[:0], fields...)
	a.endLocked()
}

// TrailersOver implements transport.OversizeSink.
func (a *attempt) TrailersOver(fields []transport.Field, err *transport.Error) {
	a.mu.Lock()
	a.over = err
	a.mu.Unlock()
	a.Trailers(fields)
}

// Closed implements transport.Sink.
func (a *attempt) Closed(err *transport.Error) {
	defer a.tell()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dropped {
		a.closed = err
	}
	a.ended = true
	a.ringLocked()
	a.wakeLocked()
}

func (a *attempt) endLocked() {
	a.ended = true
	if a.messages.Partial() && a.problem == nil && !a.dropped {
		a.problem = &wire.Problem{Code: codes.Internal, Text: "response ended in the middle of a message"}
	}
	a.ringLocked()
	a.wakeLocked()
}

// ringLocked tells those who wait for something else than messages.
func (a *attempt) ringLocked() {
	if a.bell != nil {
		close(a.bell)
		a.bell = nil
	}
}

// awaitLocked waits for the head (or, if end is set, the end) of the response or the attempt's
// cancellation. a.mu is held when it is called and when it returns.
func (a *attempt) awaitLocked(end bool) {
	for !a.ended && !a.dropped && (end || !a.headSeen) {
		if a.bell == nil {
			a.bell = make(chan struct{})
		}
		bell := a.bell
		a.mu.Unlock()
		<-bell
		a.mu.Lock()
	}
}

// complete tells whether a response of one message can be looked at.
func (a *attempt) complete() bool {
	return a.ended || a.problem != nil || a.foreign && len(a.snippet) == maxSnippet
}

func (a *attempt) wakeLocked() {
	if a.waiting {
		a.waiting = false
		select {
		case a.wake <- struct{}{}:
		default: // a token of a wait that ended otherwise is still there, and as good
		}
	}
}

// release gives back all bytes that nobody received. The receiving goroutine calls it last.
func (a *attempt) release() {
	a.messages.Refill(nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropped = true
	a.messages.Drop()
	rest := a.got - a.credited
	a.credited = a.got
	if rest > 0 && a.stream != nil {
		a.stream.Consumed(rest)
	}
}

// cancel resets the stream if it has not ended, and freezes what is known of the response:
// callbacks on their way change nothing any more.
func (a *attempt) cancel(token reason.Code) {
	a.mu.Lock()
	stream, ended := a.stream, a.ended
	a.dropped = true
	a.ringLocked()
	a.wakeLocked()
	a.mu.Unlock()
	if stream != nil && !ended {
		stream.Reset(wire.CodeCancel, token)
	}
}
