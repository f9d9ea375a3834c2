package http2

import (
	"errors"
	"os"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport"
)

// An order is streams that the read loop is to end, and why.
type order struct {
	ids []uint32
	err *transport.Error
}

// orderLocked has the read loop end streams. It is woken by its deadline, as by fail.
func (c *conn) orderLocked(o order) {
	if c.phase == connEnded || c.err != nil {
		return
	}
	c.wake.orders = append(c.wake.orders, o)
	c.wakeReaderLocked()
}

// carryOut ends the streams that the read loop was told to end. It returns false if err, of a read,
// has another cause.
func (c *conn) carryOut(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	orders := c.wake.orders
	c.wake.orders = nil
	c.mu.Unlock()
	if len(orders) == 0 {
		return false
	}
	for _, o := range orders {
		for _, id := range o.ids {
			c.end(id, o.err)
		}
		c.lock()
		c.updateLocked()
		c.flushAndUnlock(flushNow)
	}
	c.mu.Lock()
	if c.err == nil && len(c.wake.orders) == 0 {
		_ = c.nc.SetReadDeadline(c.wake.readBy)
	}
	c.mu.Unlock()
	return true
}

// end ends one stream for err: its call answers with a status if it can, or is reset if it cannot,
// or did not. That its request is complete does not matter: it may wait for its turn, and hold what
// it has.
func (c *conn) end(id uint32, err *transport.Error) {
	c.lock()
	s := c.h.Stream(id)
	if s == nil {
		c.mu.Unlock()
		return
	}
	st := s.User.(*stream)
	if sh, ok := st.sink.(transport.Shedder); ok && !st.shed && !s.SendEnded() {
		st.shed = true
		c.mu.Unlock()
		c.counted(err)
		sh.Shed(err)
		return
	}
	open := !s.RemoteClosed || !s.SendEnded()
	st.endErr = err
	c.h.Reset(s, frame.ErrCode(err.Code))
	c.mu.Unlock()
	c.counted(err)
	if open {
		st.sink.Closed(err)
	}
}
