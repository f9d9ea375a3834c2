package http2

import (
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// Keepalive pings (gRFC A8), and how a client keeps them from being taken for abuse.
//
// A8 lets a server end a connection with GOAWAY too_many_pings. The servers of grpc-go, C++ and
// Java agree on the rule:
//
//   - a ping is a strike if it comes sooner than the server's minimum, 5 minutes unless set, after
//     the one before; 2 hours while no stream is open, unless the server permits such pings;
//   - the third strike ends the connection;
//   - strikes are forgotten, and the next ping is none, when the server has sent HEADERS or DATA.
//     What it receives does not count.
//
// So an interval below 5 minutes is punished exactly when the server has nothing to say: on a
// stream of events on a quiet night. A client here therefore counts its pings since HEADERS or DATA
// last came (pings.quiet). Pings that were unanswered at that moment count on, as the server may
// have seen them after it sent those. The first freePings of such a quiet period go out at
// Interval; at worst they make one strike each. Further ones wait until Quiet has passed since the
// last answer came, which the server sent after it had the ping: however long either was on its
// way, the server sees them further apart than that. Pings that measure round trips count like the
// others.

// freePings may be sent in a quiet period at any time: two, the strikes that servers put up with.
const freePings = 2

// defaultQuiet is the minimum of servers that were not told another: gRFC A8,
// "MIN_RECV_PING_INTERVAL_WITHOUT_DATA ... defaults to 300000 (5 minutes)".
const defaultQuiet = 5 * time.Minute

// pings is the pings this side has sent.
type pings struct {
	client bool // immutable
	// active reports that bytes came since keepaliveTick last looked. Atomic.
	active atomic.Bool

	// guarded by conn.mu
	quiet      uint8 // pings of this quiet period, up to freePings+1
	waiting    bool  // a keepalive ping was not answered yet
	cfg        Keepalive
	timer      *time.Timer // nil: no keepalive pings
	pongAt     int64       // when the last answer came
	measure    uint64      // payload of the ping that measures a round trip; 0: none was sent
	measuredAt int64       // when it was sent, or our SETTINGS; 0: their acknowledgment has come
}

// heard notes that bytes came. A busy connection only reads the flag.
func (p *pings) heard() {
	if !p.active.Load() {
		p.active.Store(true)
	}
}

// sent counts a ping of this side. Beyond freePings it does not matter how many there are.
func (p *pings) sent() {
	if p.quiet <= freePings {
		p.quiet++
	}
}

// spoke notes that HEADERS or DATA of the peer came: if it counts our pings it begins anew.
func (p *pings) spoke() {
	if p.quiet == 0 {
		return
	}
	p.quiet = 0
	if p.waiting {
		p.quiet++
	}
	if p.measure != 0 {
		p.quiet++
	}
}

// wait returns how long a keepalive ping has to wait at now until it may be sent. open: streams
// are.
func (p *pings) wait(open bool, now int64) time.Duration {
	switch {
	case !p.cfg.WithoutStreams && !open:
		return never
	case !p.client || p.quiet < freePings:
		return 0 // gRFC A8 sets servers no bounds
	case p.cfg.Quiet < 0:
		return never
	}
	return left(p.cfg.Quiet, p.pongAt, now)
}

// startKeepalive arms the keepalive timer. It fires once an interval and checks whether bytes came
// since, so that a busy connection pays nothing per read.
func (c *conn) startKeepalive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := &c.pings.cfg
	if cfg.Interval <= 0 || c.err != nil {
		return
	}
	orDefault(&cfg.Timeout, 20*time.Second)
	if c.pings.client {
		orDefault(&cfg.Quiet, defaultQuiet)
		// Two clocks never run at the same speed.
		cfg.Quiet += cfg.Quiet / 100
	}
	c.pings.timer = c.timerLocked(cfg.Interval, c.keepaliveTick)
}

func (c *conn) keepaliveTick() {
	c.lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	next, ok := c.keepaliveLocked(c.clock())
	if !ok {
		c.failLocked(&transport.Error{
			Scope: transport.ScopeConn, Origin: transport.OriginLocal, Code: uint32(frame.NoError), Token: reason.KeepaliveTimeout,
			Reason: "no answer to a keepalive ping within " + c.pings.cfg.Timeout.String() + " (keepalive timeout)",
		})
		c.mu.Unlock()
		return
	}
	c.pings.timer.Reset(next)
	c.flushAndUnlock(flushNow)
}

// keepaliveLocked sends a ping if it is time for one, and returns when to look again. It returns
// false if a ping was not answered in time.
func (c *conn) keepaliveLocked(now int64) (next time.Duration, ok bool) {
	p := &c.pings
	switch wait := p.wait(c.h.Open() > 0, now); {
	case p.active.Swap(false):
		// An interval after the last byte, not after this look.
		return left(p.cfg.Interval, c.h.Now, now), true
	case p.waiting:
		return 0, false
	case p.measure != 0:
		// A ping that measures asks as well.
		next = left(p.cfg.Timeout, p.measuredAt, now)
		return next, next > 0
	case wait <= 0:
		p.waiting = true
		p.sent()
		c.h.Out = frame.AppendPing(c.h.Out, false, keepaliveData)
		return p.cfg.Timeout, true
	default:
		// Not until the ping is allowed: the peer may speak again, and fall silent again, before
		// that.
		return min(wait, p.cfg.Interval), true
	}
}

// left is what is left at now of d since start: at most d, at least 0.
func left(d time.Duration, start, now int64) time.Duration {
	return d - min(max(0, time.Duration(now-start)), d)
}
