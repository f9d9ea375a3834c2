package channel

import (
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/transport"
)

// conn is one connection and the count of the calls on it.
type conn struct {
	// immutable
	sub   *subConn
	t     transport.ClientConn
	since time.Time

	// atomic. word counts the picks ever made in its upper half and the calls in flight in its
	// lower: one addition does both. limit is the peer's SETTINGS_MAX_CONCURRENT_STREAMS as last
	// seen.
	word  atomic.Uint64
	limit atomic.Uint32
	// useful: a call got an answer on it.
	useful atomic.Bool
	// sides is how many of the calls in flight are the channel's own: they keep nothing from being
	// idle.
	sides atomic.Int32
}

const onePick = 1<<32 | 1

func newConn(s *subConn, t transport.ClientConn) *conn {
	c := &conn{sub: s, t: t, since: time.Now()}
	c.readLimit()
	return c
}

// readLimit asks the transport for the peer's limit, which may have changed.
func (c *conn) readLimit() {
	_, limit := c.t.Load()
	c.limit.Store(limit)
}

func (c *conn) inFlight() uint32 { return uint32(c.word.Load()) }
func (c *conn) picks() uint64    { return c.word.Load() >> 32 }

// take takes a slot if there is one. It may see a slot taken that another call is about to give
// back; that call then looks at the queue.
func (c *conn) take() bool {
	if uint32(c.word.Add(onePick)) <= c.limit.Load() {
		return true
	}
	c.word.Add(^uint64(onePick - 1))
	return false
}

// calls is how many calls of users are in flight.
func (c *conn) calls() int { return int(c.inFlight()) - int(c.sides.Load()) }

// hold counts a call of the channel's own, which does not ask for a slot.
func (c *conn) hold() {
	c.sides.Add(1)
	c.word.Add(1)
}

// release is for what hold is to take.
func (c *conn) release() {
	c.give()
	c.sides.Add(-1)
}

// give gives a slot back.
func (c *conn) give() {
	c.word.Add(^uint64(0))
	if c.sub.slots.waiting.Load() > 0 {
		c.sub.slots.dispatch()
	}
}

// ended reports whether the connection takes no new streams, maybe before the event loop has heard
// of it.
func (c *conn) ended() bool {
	select {
	case <-c.t.Info().Draining:
		return true
	default:
		return false
	}
}

// watch follows the connection to its end. It waits for its events, so that Close, which waits for
// it, returns after them.
func (c *conn) watch() {
	select {
	case <-c.t.Info().Draining:
	case <-c.t.Done():
	}
	c.sub.ch.loop.wait(func() { c.sub.connLost(c) })
	<-c.t.Done()
	c.sub.ch.loop.wait(c.gone)
}

// gone is called when nothing of the connection is left.
func (c *conn) gone() {
	delete(c.sub.ch.leaving, c)
	c.sub.ch.idle.past += c.picks()
}

// failure tells why the connection ended, or nil if this side ended it.
func (c *conn) failure() *connectivity.Failure {
	return connFailure(c.sub.addr, c.t.Err())
}
