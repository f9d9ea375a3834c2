package serve

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/call"
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/transport"
)

// enhanceYourCalm, RFC 9113 §7.
const (
	refusedStream   = 0x7
	enhanceYourCalm = 0xb
)

// connection is one connection's calls. It hands them to workers, but no more than MaxHandlers at a
// time: a peer that opens and resets streams makes handlers run on that no limit of streams sees
// (CVE-2023-44487 and what came after). As many again wait; more are refused, and a peer that
// keeps at it is sent away. The read loop never waits.
type connection struct {
	// immutable
	server *Server

	// owned by the read loop; nil within the process, where there is none and nothing is refused for it
	refusals *abuse.Refusals

	// guarded by server.mu
	transport conn // nil until add; then it stays
	addr      netip.Addr
	ended     bool // the connection is gone
	admitted  bool // counts against the limits of connections

	// guarded by mu
	owed    int32 // calls above the limit that ended before the one that waits was queued
	mu      sync.Mutex
	waiting []Task
	parked  []*call.ServerCall // for the end of the backlog
	large   largeCalls         // see answers.go
	quiet   chan struct{}

	// atomic
	running atomic.Int64 // calls dispatched and not finished
	largest atomic.Int64 // bytes of an answer, of late; 0: no call has ended. See answers.go
	refused atomic.Int64
	backlog atomic.Bool // the peer does not fetch the responses it has asked for
	closing atomic.Bool // somebody waits in idle
}

func newConnection(s *Server) *connection {
	return &connection{server: s, quiet: make(chan struct{})}
}

// limit is how many handlers may run at a time.
func (c *connection) limit() int64 { return int64(c.server.cfg.MaxHandlers) }

// Dispatch implements call.Dispatcher.
func (c *connection) Dispatch(sc *call.ServerCall) { c.begin(sc) }

// Finished implements call.Dispatcher.
func (c *connection) Finished(sc *call.ServerCall) {
	c.answered(sc)
	c.finished()
}

// begin has t run by a worker, now or when fewer tasks of the connection run.
func (c *connection) begin(t Task) {
	c.server.open.Add(1)
	if c.running.Add(1) <= c.limit() {
		c.server.workers.Go(t)
		return
	}
	c.mu.Lock()
	if c.owed > 0 {
		c.owed--
		c.mu.Unlock()
		c.server.workers.Go(t)
		return
	}
	c.waiting = append(c.waiting, t)
	c.mu.Unlock()
}

// finished is called when a task that was begun has ended.
func (c *connection) finished() {
	c.server.open.Add(-1)
	left := c.running.Add(-1)
	if left >= c.limit() {
		c.startWaiting()
	}
	if left == 0 && c.closing.Load() {
		c.quieten()
	}
}

// startWaiting runs the call that has waited longest, or notes that there is one to come: its
// Dispatch has counted it and not queued it yet.
func (c *connection) startWaiting() {
	c.mu.Lock()
	if len(c.waiting) == 0 {
		c.owed++
		c.mu.Unlock()
		return
	}
	next := c.waiting[0]
	c.waiting[0] = nil
	c.waiting = c.waiting[1:]
	c.mu.Unlock()
	c.server.workers.Go(next)
}

// Backlog is told by the transport when finished responses pile up because the peer does not take
// them, and when it has. Until then no call of the connection is begun: answers nobody fetches
// are memory a peer can ask for with a few bytes each. some: there are, but not so many that calls with
// small answers should wait.
func (c *connection) Backlog(some, full bool) {
	c.mu.Lock()
	c.large.backlog = some
	if !some && len(c.large.parked) > 0 {
		c.releaseLocked(1)
		c.tickLocked()
	}
	c.backlog.Store(full)
	var next []*call.ServerCall
	if !full {
		next, c.parked = c.parked, nil
	}
	c.mu.Unlock()
	for _, sc := range next {
		c.server.workers.Go(sc)
	}
}

// Postpone implements call.Dispatcher.
func (c *connection) Postpone(sc *call.ServerCall) bool {
	if !c.backlog.Load() {
		return c.postponeLarge(sc)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.backlog.Load() {
		return false
	}
	c.parked = append(c.parked, sc)
	return true
}

// full tells whether the connection has as many calls waiting as may run, and counts.
func (c *connection) full() bool {
	if c.running.Load() < 2*c.limit() {
		return false
	}
	if c.refused.Add(1) == 4*c.limit() {
		c.sendAway("handlers_flood", "peer opens streams faster than their handlers end (WithMaxConcurrentStreams)")
	}
	return true
}

// sendAway ends the connection for what its peer did too much of.
func (c *connection) sendAway(token, reason string) {
	c.server.mu.Lock()
	t := c.transport // nil as long as add is still to come
	c.server.mu.Unlock()
	if t == nil {
		return
	}
	t.Close(&transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginLocal, Code: enhanceYourCalm, Token: token, Reason: reason,
	})
}

// refusing counts a call that is refused on the read loop, and ends the connection of a peer that does little else.
// Calls with long header lists were counted by the transport, and weigh more.
func (c *connection) refusing(token string) {
	weight := 1
	if token == longHead {
		weight = abuse.LongHead
	} else {
		c.server.stats.add(token)
	}
	if f := c.refusals.Charge(func() int64 { return time.Now().UnixNano() }, weight); f != nil {
		c.sendAway(f.Token, f.Error()+" (WithLimits)")
	}
}

// longHead is the transport's word for a header list over the limit.
const longHead = "header_list"

// Problem implements call.Dispatcher.
func (c *connection) Problem(token string) { c.server.stats.add(token) }

// idle returns a channel that is closed when no call runs. Only for a connection that is gone.
func (c *connection) idle() <-chan struct{} {
	c.closing.Store(true)
	if c.running.Load() == 0 {
		c.quieten()
	}
	return c.quiet
}

func (c *connection) quieten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.quiet:
	default:
		close(c.quiet)
	}
}

// ConnDone is called by the transport when the connection is gone.
func (c *connection) ConnDone() { c.server.remove(c) }

func (c *connection) drain(reason string) { c.transport.Drain(reason) }

func (c *connection) close(reason string) {
	c.transport.Close(&transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginUser, Token: "server_closed", Reason: reason,
	})
}
