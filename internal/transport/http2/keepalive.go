package http2

import (
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// Keepalive pings (gRFC A8), and how a client keeps them from being taken for abuse.
//
// A8 lets a server end a connection with GOAWAY too_many_pings. The servers of grpc-go, C++ and Java agree on the rule:
//
//   - a ping is a strike if it comes sooner than the server's minimum, 5 minutes unless set, after the one before;
//     2 hours while no stream is open, unless the server permits such pings;
//   - the third strike ends the connection;
//   - strikes are forgotten, and the next ping is none, when the server has sent HEADERS or DATA. What it receives
//     does not count.
//
// So an interval below 5 minutes is punished exactly when the server has nothing to say: on a stream of events on a
// quiet night. A client here therefore counts its pings since HEADERS or DATA last came (quietPings). Pings that were
// unanswered at that moment count on, as the server may have seen them after it sent those. The first freePings of
// such a quiet period go out at Interval; at worst they make one strike each. Further ones wait until Quiet has passed
// since the last answer came, which the server sent after it had the ping: however long either was on its way, the
// server sees them further apart than that. Pings that measure round trips count like the others.

// freePings may be sent in a quiet period at any time: two, the strikes that servers put up with.
const freePings = 2

// defaultQuiet is the minimum of servers that were not told another: gRFC A8, "MIN_RECV_PING_INTERVAL_WITHOUT_DATA
// ... defaults to 300000 (5 minutes)".
const defaultQuiet = 5 * time.Minute

// startKeepalive arms the keepalive timer. It fires once an interval and looks whether bytes came since, so that a
// busy connection pays nothing per read.
func (c *conn) startKeepalive() {
	if c.keep.Interval <= 0 {
		return
	}
	orDefault(&c.keep.Timeout, 20*time.Second)
	if c.role == h2.Client {
		orDefault(&c.keep.Quiet, defaultQuiet)
		// Two clocks are never equally fast.
		c.keep.Quiet += c.keep.Quiet / 100
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.keepTimer = c.timerLocked(c.keep.Interval, c.keepaliveTick)
	}
}

func (c *conn) keepaliveTick() {
	c.lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	now := c.clock()
	switch wait := c.pingWaitLocked(); {
	case c.active.Swap(false):
		// An interval after the last byte, not after this look.
		c.keepTimer.Reset(left(c.keep.Interval, c.h.Now, now))
	case c.keepPing:
		c.failLocked(c.keepaliveError())
		c.mu.Unlock()
		return
	case !c.rttData.IsZero():
		// A ping that measures asks as well.
		if wait = left(c.keep.Timeout, c.rttSent, now); wait == 0 {
			c.failLocked(c.keepaliveError())
			c.mu.Unlock()
			return
		}
		c.keepTimer.Reset(wait)
	case wait <= 0:
		c.keepPing = true
		c.countPingLocked()
		c.h.Out = frame.AppendPing(c.h.Out, false, keepaliveData)
		c.keepTimer.Reset(c.keep.Timeout)
	default:
		// Not until the ping is allowed: the peer may speak again, and fall silent again, before that.
		c.keepTimer.Reset(min(wait, c.keep.Interval))
	}
	c.flushAndUnlock(flushNow)
}

// left is what is left at now of d since start: at most d, at least 0.
func left(d time.Duration, start, now int64) time.Duration {
	return d - min(max(0, time.Duration(now-start)), d)
}

func (c *conn) keepaliveError() *transport.Error {
	return &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginLocal, Code: uint32(frame.NoError), Token: reason.KeepaliveTimeout,
		Reason: "no answer to a keepalive ping within " + c.keep.Timeout.String() + " (keepalive timeout)",
	}
}

// pingWaitLocked is how long a keepalive ping has to wait until it may be sent.
func (c *conn) pingWaitLocked() time.Duration {
	switch {
	case !c.keep.WithoutStreams && c.h.Open() == 0:
		return never
	case c.role == h2.Server || c.quietPings < freePings:
		return 0 // gRFC A8 sets servers no bounds
	case c.keep.Quiet < 0:
		return never
	}
	return left(c.keep.Quiet, c.pongAt, c.clock())
}

// countPingLocked counts a ping of this side.
func (c *conn) countPingLocked() {
	if c.quietPings <= freePings { // beyond that it does not matter how many
		c.quietPings++
	}
}

// spokeLocked notes that HEADERS or DATA of the peer came: if it counts our pings it begins anew.
func (c *conn) spokeLocked() {
	if c.quietPings == 0 {
		return
	}
	c.quietPings = 0
	if c.keepPing {
		c.quietPings++
	}
	if !c.rttData.IsZero() {
		c.quietPings++
	}
}
