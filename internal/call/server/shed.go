package server

import (
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
)

var _ transport.Shedder = (*Call)(nil)

// Shed implements transport.Shedder: the call ends with RESOURCE_EXHAUSTED. A handler that runs learns of it
// when it receives.
func (c *Call) Shed(err *transport.Error) {
	c.mu.Lock()
	if c.over || c.closed != nil {
		c.mu.Unlock()
		return
	}
	if c.problem == nil {
		c.problem = &wire.Problem{Code: codes.ResourceExhausted, Text: err.Reason}
	}
	n := c.messages.Drop()
	c.progressLocked()
	c.mu.Unlock()
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
