package call

import (
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/transport"
)

var _ transport.Shedder = (*ServerCall)(nil)

// Shed implements transport.Shedder: the call ends with RESOURCE_EXHAUSTED. A handler that runs learns of it
// when it receives.
func (c *ServerCall) Shed(err *transport.Error) {
	c.mu.Lock()
	if c.over || c.closed != nil {
		c.mu.Unlock()
		return
	}
	if c.problem == nil {
		c.problem = &problem{codes.ResourceExhausted, err.Reason}
	}
	n := c.box.drop()
	c.progressLocked()
	c.mu.Unlock()
	if c.receiver.CompareAndSwap(receiverIdle, receiverBusy) {
		n += c.box.unread()
		c.box.refill(nil)
		if !c.receiver.CompareAndSwap(receiverBusy, receiverIdle) {
			c.box.refill(nil) // finished meanwhile
		}
	}
	if n > 0 && c.claim(int64(n)) {
		c.stream.Consumed(n)
	}
}
