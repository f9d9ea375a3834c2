package http2

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport"
)

// Payloads of the pings we send. Their answers are told apart by them; an answer to
// a ping we did not send changes nothing.
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

// controlLocked bounds what the peer can make us queue while it does not read.
func (c *conn) controlLocked() *transport.Error {
	c.out.controls++
	return overBudget(c.budget.Control(c.out.controls))
}

// measureLocked sends a ping whose answer tells the round trip, if the windows ask for one. Its
// payload is random: a peer that answers before it has been asked cannot make windows grow.
func (c *conn) measureLocked() {
	if !c.h.WantPing() || !c.rttData.IsZero() || c.role == h2.Client && c.quietPings > freePings {
		return
	}
	c.countPingLocked()
	c.rttData = pingData{rand.Uint64() | 1}
	c.rttSent = c.clock()
	c.h.Out = frame.AppendPing(c.h.Out, false, c.rttData.bytes())
}

// pingData is a random payload; zero: none.
type pingData struct{ v uint64 }

// IsZero tells whether there is none.
func (d pingData) IsZero() bool { return d.v == 0 }

func (d pingData) bytes() (b [8]byte) {
	binary.BigEndian.PutUint64(b[:], d.v)
	return b
}

// pong takes the answer to one of our pings.
func (c *conn) pong(data [8]byte) {
	c.mu.Lock()
	switch data {
	case keepaliveData:
		if c.keepPing {
			c.keepPing, c.pongAt = false, c.now
			c.keepTimer.Reset(c.keep.Interval)
		}
	case drainData:
		c.mu.Unlock()
		c.finishDrain()
		return
	case c.rttData.bytes():
		if !c.rttData.IsZero() {
			c.h.SampleRTT(c.now - c.rttSent)
			c.rttData, c.pongAt = pingData{}, c.now
		}
	}
	c.mu.Unlock()
}

// timerLocked runs f after d unless the connection ends first.
func (c *conn) timerLocked(d time.Duration, f func()) *time.Timer {
	t := time.AfterFunc(d, f)
	c.timers = append(c.timers, t)
	return t
}
