package server

import (
	"errors"
	"io"
	"math"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/status"
)

// RecvMsg receives the next message into m. io.EOF: the client sends no more. A status error: the
// call is over or the request wrong. One goroutine at a time; one may send meanwhile.
func (c *Call) RecvMsg(m any) error {
	if !c.receiver.CompareAndSwap(wire.ReceiverIdle, wire.ReceiverBusy) {
		return c.notReceiving()
	}
	err := c.recv(m)
	if !c.receiver.CompareAndSwap(wire.ReceiverBusy, wire.ReceiverIdle) {
		c.messages.Refill(nil) // finished meanwhile
	}
	return err
}

func (c *Call) notReceiving() error {
	if c.receiver.Load() == wire.ReceiverClosed {
		return status.Error(codes.Canceled, "receive: the handler has returned")
	}
	return status.Error(codes.Internal, "receive: another goroutine is receiving on this stream")
}

func (c *Call) recv(m any) error {
	for {
		if f, ok := c.messages.Next(); ok {
			err := c.in.Decode(f, m)
			c.credit(f)
			if err != nil {
				err = c.recode(err)
				c.abandon(err)
			}
			return err
		}
		if err := c.await(); err != nil {
			return err
		}
	}
}

// credit counts f as used.
func (c *Call) credit(f wire.Frame) {
	if n := c.messages.Credit(f); n > 0 && c.claim(int64(n)) {
		c.stream.Consumed(n)
	}
}

// creditedAll in Call.credited: release has given everything back.
const creditedAll = math.MinInt64

// claim counts n bytes as given back. False: they have been, as the call ended while a message was
// decoded.
func (c *Call) claim(n int64) bool {
	for {
		before := c.credited.Load()
		if before == creditedAll {
			return false
		}
		if c.credited.CompareAndSwap(before, before+n) {
			return true
		}
	}
}

// A MalformedCoder is a server's stream of a protocol that has a code of its own for messages that
// cannot be decoded, where gRPC says INTERNAL.
type MalformedCoder interface {
	// MalformedCode returns that code, codes.OK for gRPC's.
	MalformedCode() codes.Code
}

// recode gives the error of a message that could not be decoded the code that the protocol of the
// request has for it.
func (c *Call) recode(err error) error {
	m, ok := c.stream.(MalformedCoder)
	if !ok || c.in.Fault != reason.MessageMalformed {
		return err
	}
	if code := m.MalformedCode(); code != codes.OK {
		s := status.Convert(err)
		return status.New(code, s.Message()).WithCause(errors.Unwrap(err)).Err()
	}
	return err
}

// abandon stops receiving after a message that could not be read: what follows is not trusted.
func (c *Call) abandon(err error) {
	s := status.Convert(err)
	if c.in.Fault != "" {
		c.runner.Problem(c.in.Fault)
	}
	c.mu.Lock()
	if c.problem == nil {
		c.problem = &wire.Problem{Code: s.Code(), Text: s.Message()} // an interceptor's, perhaps
	}
	c.mu.Unlock()
}

// await fills the reader's buffer, waiting for it if need be.
func (c *Call) await() error {
	for {
		c.mu.Lock()
		if c.readyLocked() {
			c.messages.Refill(c.messages.Take())
			c.mu.Unlock()
			return nil
		}
		if err := c.stateLocked(); err != nil {
			c.mu.Unlock()
			return err
		}
		if c.wake == nil {
			// Capacity 1: one token per wait, sent under mu, must not block the read loop.
			c.wake = make(chan struct{}, 1)
		}
		c.waiting = true
		c.mu.Unlock()
		if err := c.awaitNews(); err != nil {
			return err
		}
	}
}

// readyLocked: a request of one message is only looked at when it is known to be all.
func (c *Call) readyLocked() bool {
	if !c.messages.Ready() {
		return false
	}
	return c.method.ClientStreams || c.ended && c.problem == nil
}

// stateLocked says why there will be no message, nil if there may be one.
func (c *Call) stateLocked() error {
	switch {
	case c.closed != nil:
		return transportStatus(c.closed).Err()
	case c.problem != nil:
		return c.problem.Status().Err()
	case c.over:
		return status.Error(codes.Canceled, "receive: the handler has returned")
	case c.ended:
		if !c.method.ClientStreams {
			c.checkSingleLocked()
			if c.problem != nil {
				return c.problem.Status().Err()
			}
		}
		return io.EOF
	}
	return nil
}

// awaitNews waits for the read loop's token, or for the deadline.
func (c *Call) awaitNews() error {
	if c.deadline.IsZero() {
		<-c.wake
		return nil
	}
	select {
	case <-c.wake:
		return nil
	case <-c.Done():
	}
	if c.Err() != nil && !c.gone() {
		return wire.ContextStatus(c, "receive")
	}
	return nil
}
