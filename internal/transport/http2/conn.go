package http2

import (
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// conn is what both sides of a connection share.
type conn struct {
	// immutable after start
	nc       net.Conn
	raw      syscall.RawConn // nil: only blocking reads and writes
	spill    *spillConn      // below TLS, nil otherwise
	role     h2.Role
	limits   *Limits
	epoch    time.Time // see clock
	info     transport.ConnInfo
	handler  transport.ServerHandler // nil on a client
	count    func(*transport.Error)  // may be nil
	memory   *memory                 // shared by a server's connections, nil on a client
	done     chan struct{}           // closed when everything has ended, see finished
	draining chan struct{}           // closed under mu, once, when no new stream is taken

	// owned by the read loop
	in       input
	deadline readDeadline
	rd       *h2.Reader
	budget   abuse.Budget
	now      int64         // nanoseconds, one reading a batch
	dataTo   *stream       // stream of the DATA frame in progress; nil: drop
	tmp      *scratch      // for the time of a batch
	ready    chan struct{} // closed when the peer's first SETTINGS has come; nil on a server

	// guarded by mu
	mu      sync.Mutex
	h       *h2.Conn
	phase   connPhase
	err     *transport.Error // first reason to end
	inBatch bool             // the read loop will flush soon
	out     output
	wake    readWake
	drain   drain
	slots   slotQueue
	held    held
	stall   stallWatch
	pings   pings
	idle    idleWatch
	timers  timers
}

// A connPhase is where a connection stands:
//
//	opening ──(our preface is queued)──▶ open ──(teardown)──▶ ended
//	   └──(no preface came, or HTTP/1)──────────────────────────▲
type connPhase uint8

const (
	connOpening connPhase = iota
	connOpen
	connEnded // its streams have been taken
)

// init prepares a connection that ServeConn or NewClientConn has allocated.
func (c *conn) init(nc net.Conn, role h2.Role, limits *Limits, keep Keepalive) {
	c.nc, c.role, c.limits, c.pings.cfg = nc, role, limits, keep
	c.pings.client = role == h2.Client
	c.epoch = time.Now()
	c.done = make(chan struct{})
	c.draining = make(chan struct{})
	rc := limits.reader()
	rc.FromServer = role == h2.Client
	c.budget = limits.Abuse.New()
	c.rd = h2.NewReader(rc, &c.budget)
	hc := limits.h2(role)
	if c.memory != nil {
		hc.Short = c.memory.short
	}
	c.h = h2.NewConn(hc, c.newStream)
	c.info = transport.ConnInfo{
		ID: transport.NextConnID(), Local: nc.LocalAddr(), Remote: nc.RemoteAddr(), Draining: c.draining,
	}
	if c.raw = rawConn(nc); c.raw != nil {
		c.in.onReady = c.in.readReady
	}
	if c.memory != nil {
		c.memory.add(c) // last: another connection's shed may look at this one at once
	}
}

// greet sends our preface, which the protocol state has prepared.
func (c *conn) greet() {
	c.mu.Lock()
	c.phase = connOpen
	c.pings.measuredAt = c.clock() // the acknowledgment of our SETTINGS is the first measure
	c.out.buf = &mem.Buf{B: c.h.Out}
	c.flushAndUnlock(flushNow)
}

// newStream makes the stream of the connection's side, protocol state and shell in one piece.
func (c *conn) newStream() *h2.Stream {
	var s *stream
	if c.role == h2.Server {
		ss := serverStreams.Get().(*serverStream)
		ss.server = ss
		s = &ss.stream
	} else {
		cs := clientStreams.Get().(*clientStream)
		cs.client = cs
		s = &cs.stream
	}
	s.c, s.User = c, s
	return &s.Stream
}

// Info returns what is known of the connection.
func (c *conn) Info() *transport.ConnInfo { return &c.info }

// Done is closed when the connection is gone.
func (c *conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended or, after a GOAWAY, is about to; nil before.
func (c *conn) Err() *transport.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		if code, debug, ok := c.h.PeerGoAway(); ok {
			return goAwayError(code, debug)
		}
	}
	return c.err
}

// fail notes why the connection is to end, unless there is a reason already, and wakes the
// read loop, which does the rest.
func (c *conn) fail(err *transport.Error) {
	c.mu.Lock()
	c.failLocked(err)
	c.mu.Unlock()
}

func (c *conn) failLocked(err *transport.Error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.drainLocked(refusing)
	c.wakeReaderLocked()
}

// counted reports to the owner that a rule of this side ended a stream, or that the connection has
// ended.
func (c *conn) counted(err *transport.Error) {
	if c.count != nil {
		c.count(err)
	}
}

// protocolError is the transport's view of a fault the peer committed.
func protocolError(e *h2.Error) *transport.Error {
	scope := transport.ScopeStream
	if e.StreamID == 0 {
		scope = transport.ScopeConn
	}
	return &transport.Error{Scope: scope, Origin: transport.OriginLocal, Code: uint32(e.Code), Token: e.Token, Reason: e.Reason}
}

// updateLocked wakes those who wait for a change of the protocol state. It must be called after
// anything that may have ended a stream or moved data.
func (c *conn) updateLocked() {
	for i, s := range c.h.Wake {
		s.User.(*stream).wakeLocked()
		c.h.Wake[i] = nil
	}
	c.h.Wake = c.h.Wake[:0]
	if c.held.backlogged || c.h.Unsent.DoneBytes > c.limits.Backlog {
		c.backlogLocked()
	}
	c.tellHeldLocked()
	c.watchFlowLocked()
	if len(c.slots) > 0 {
		c.slots.wake(c.freeSlotsLocked())
	}
	if c.h.Open() > 0 || c.err != nil {
		return
	}
	c.idle.began()
	if c.drainedLocked() {
		c.failLocked(c.drainReasonLocked())
	}
}
