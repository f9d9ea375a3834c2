package server

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// shedDelay is when the client of a call that was ended for want of memory may come back: in one to
// two seconds, so that those that were ended together do not return together.
func shedDelay() time.Duration {
	return time.Second + time.Duration(rand.Int64N(int64(time.Second/time.Millisecond)))*time.Millisecond
}

// pushback is the trailer that says the same to clients that read no RetryInfo, nil if nothing is
// to be said (gRFC A6).
func (c *Call) pushback() metadata.MD {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == nil || c.problem.RetryAfter == 0 {
		return nil
	}
	return metadata.Pairs(wire.FieldPushback, strconv.FormatInt(c.problem.RetryAfter.Milliseconds(), 10))
}

var _ transport.Shedder = (*Call)(nil)

// Shed implements transport.Shedder: the call ends with RESOURCE_EXHAUSTED, at once if its handler
// has not begun. A handler that runs learns of it by its context, and when it receives.
func (c *Call) Shed(err *transport.Error) {
	c.mu.Lock()
	if c.over || c.closed != nil {
		c.mu.Unlock()
		return
	}
	if c.problem == nil {
		c.problem = &wire.Problem{Code: codes.ResourceExhausted, Text: err.Reason, RetryAfter: shedDelay()}
	}
	problem, stage := c.problem, c.stage
	n := c.messages.Drop()
	c.progressLocked()
	c.mu.Unlock()
	if stage == callDispatched && c.runner.Withdraw(c) {
		c.finish(problem.Status().Err())
		return
	}
	c.end(err) // a message that waits to be expanded waits no longer
	if c.receiver.CompareAndSwap(wire.ReceiverIdle, wire.ReceiverBusy) {
		n += c.messages.Unread()
		c.messages.Refill(nil)
		if !c.receiver.CompareAndSwap(wire.ReceiverBusy, wire.ReceiverIdle) {
			c.messages.Refill(nil) // finished meanwhile
		}
	}
	if n > 0 && c.claim(int64(n)) {
		c.stream.Consumed(n)
	}
}

// shedStatus is the status of a call that was shed, nil if it was not: its handler's error is most
// likely that its context has ended.
func (c *Call) shedStatus() *status.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == nil || c.problem.RetryAfter == 0 {
		return nil
	}
	return c.problem.Status()
}
