package http2

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport"
)

// Payloads of the pings this side sends tell their answers apart. An answer to a ping that was not
// sent changes nothing.
var (
	keepaliveData = [8]byte{'k', 'e', 'e', 'p'}
	drainData     = [8]byte{'d', 'r', 'a', 'i', 'n'}
)

// ping answers PING (RFC 9113 §6.7).
func (c *conn) ping(ev *h2.Event) *transport.Error {
	c.lock()
	defer c.mu.Unlock()
	c.h.Out = frame.AppendPing(c.h.Out, true, [8]byte(ev.Data))
	if over := c.controlLocked(); over != nil {
		return over
	}
	return overBudget(c.budget.Ping(c.now, c.h.Open(), c.h.Sent))
}

// controlLocked bounds the acknowledgments that a peer which does not read can make this side
// queue.
func (c *conn) controlLocked() *transport.Error {
	c.out.controls++
	return overBudget(c.budget.Control(c.out.controls))
}

// measureLocked sends a ping whose answer gives the round trip, if the windows ask for one. Its
// payload is random: a peer that answers before it has been asked cannot make windows grow.
func (c *conn) measureLocked() {
	p := &c.pings
	if !c.h.WantPing() || p.measure != 0 || p.client && p.quiet > freePings {
		return
	}
	p.sent()
	p.measure, p.measuredAt = rand.Uint64()|1, c.clock()
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], p.measure)
	c.h.Out = frame.AppendPing(c.h.Out, false, data)
}

// pong takes the answer to one of our pings.
func (c *conn) pong(data [8]byte) {
	if data == drainData {
		c.finishDrain()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch p := &c.pings; {
	case data == keepaliveData:
		if p.waiting {
			p.waiting, p.pongAt = false, c.now
			p.timer.Reset(p.cfg.Interval)
		}
	case p.measure != 0 && binary.BigEndian.Uint64(data[:]) == p.measure:
		c.h.SampleRTT(c.now - p.measuredAt)
		p.measure, p.pongAt = 0, c.now
	}
}
