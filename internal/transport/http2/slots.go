package http2

import (
	"slices"

	"github.com/naru-rpc/naru/internal/transport"
)

// slotQueue is the callers of AwaitSlot, first come, first served. conn.mu guards it. A waiter's
// channel has a capacity of 1, because it is sent to under the lock, and is closed when no slot
// will come.
type slotQueue []chan struct{}

func (q *slotQueue) join() chan struct{} {
	w := make(chan struct{}, 1)
	*q = append(*q, w)
	return w
}

// leave removes a waiter that gave up. It returns false if it was woken already.
func (q *slotQueue) leave(w chan struct{}) bool {
	i := slices.Index(*q, w)
	if i >= 0 {
		*q = slices.Delete(*q, i, i+1)
	}
	return i >= 0
}

// wake lets as many waiters try as there are free slots.
func (q *slotQueue) wake(free int64) {
	n := int(min(free, int64(len(*q))))
	if n <= 0 {
		return
	}
	for _, w := range (*q)[:n] {
		w <- struct{}{}
	}
	*q = slices.Delete(*q, 0, n)
}

func (q *slotQueue) close() {
	for _, w := range *q {
		close(w)
	}
	*q = nil
}

func (c *conn) freeSlotsLocked() int64 { return int64(c.h.PeerMaxStreams()) - int64(c.h.Open()) }

// AwaitSlot implements transport.ClientConn.
func (c *ClientConn) AwaitSlot(done <-chan struct{}) error {
	c.mu.Lock()
	if c.drain.phase != accepting {
		defer c.mu.Unlock()
		if c.err != nil {
			return unprocessed(c.err)
		}
		return unprocessed(c.drainReasonLocked())
	}
	if c.freeSlotsLocked() > 0 {
		c.mu.Unlock()
		return nil
	}
	w := c.slots.join()
	c.mu.Unlock()
	select {
	case <-w:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err != nil {
			return unprocessed(c.err)
		}
		return nil // a draining connection says so at the next Open
	case <-done:
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.slots.leave(w) {
			c.slots.wake(c.freeSlotsLocked()) // the slot is another's
		}
		return transport.ErrAwaitDone
	}
}
