package client

import (
	"context"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// An attempt is one stream opened for a call, and the sink of its response. Once the response has
// ended or is not wanted any more, its fields do not change and may be read without mu.
//
// Locks: mu is a leaf but for the stream's methods.
type attempt struct {
	// immutable after reset
	single bool             // one response: no one is woken before it is complete
	seen   *observe.Attempt // nil: no handler wants to know
	run    *runner          // is told of the head and the end; nil: a unary call waits for the end itself

	// set by the goroutine that launches it, before the runner makes it live
	conn transport.ClientConn
	done func(DoneInfo)     // called once, by the goroutine that ends it
	stop context.CancelFunc // ends the launch; nil: the first attempt

	reading // owned by the receiving goroutine

	// guarded by mu
	mu       sync.Mutex
	sending  sending
	messages wire.Reassembler
	got      int // bytes received that Consumed was not called for at once
	response
	signal
}

// reading is how far the program has come with a response.
type reading struct {
	credited int // bytes that Consumed was called for
	in       wire.Decoder
	checked  bool // in is set
	late     bool // expire may still be called
}

// sending is the stream of an attempt, and where it leads.
type sending struct {
	stream transport.ClientStream // nil until Open has returned
	peer   *transport.ConnInfo
	at     time.Time // when it was opened; zero if no one will ask
	number int       // of the attempt, from 1
}

// reset prepares for another stream. Only for an attempt whose sink is not called any more.
func (a *attempt) reset(limit wire.Limit) {
	a.seen = nil
	a.reading.credited, a.checked, a.late = 0, false, false
	a.sending = sending{}
	a.messages = wire.Reassembler{Limit: limit}
	a.got = 0
	a.response.reset()
	a.signal.reset()
}

// opened records the stream. The goroutine that opened it calls this, and callbacks may have come
// before.
func (a *attempt) opened(s sending) {
	a.mu.Lock()
	a.sending = s
	if begin, end, ok := a.messages.Want(); ok {
		s.stream.Want(begin, end) // the transport may have received more of it, which waits for mu
	}
	a.mu.Unlock()
}

// free reports whether the sink is not called any more.
func (a *attempt) free() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return (a.endedLocked() || a.sending.stream == nil) && a.interest != expired && !a.late
}

// tell lets the runner know that there is news. mu is not held.
func (a *attempt) tell() {
	if a.run != nil {
		a.run.heard(a)
	}
}

// report tells the channel once how the attempt ended.
func (a *attempt) report(err error) {
	if done := a.done; done != nil {
		a.done = nil
		a.mu.Lock()
		info := DoneInfo{Err: err, Sent: true, Received: a.stage.headSeen(), Trailers: a.trailers}
		a.mu.Unlock()
		done(info)
	}
}

// release returns the credit for all bytes that were not received. The receiving goroutine calls it
// last.
func (a *attempt) release() {
	a.messages.Refill(nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLocked()
	a.messages.Drop()
	rest := a.got - a.credited
	a.credited = a.got
	if rest > 0 && a.sending.stream != nil {
		a.sending.stream.Consumed(rest)
	}
}

// cancel resets the stream if it has not ended. What is known of the response stays as it is:
// callbacks that are still to come change nothing.
func (a *attempt) cancel(token reason.Code) {
	a.mu.Lock()
	stream, ended := a.sending.stream, a.endedLocked()
	a.dropLocked()
	a.ringLocked()
	a.wakeLocked()
	a.mu.Unlock()
	if stream != nil && !ended {
		stream.Reset(wire.CodeCancel, token)
	}
}
