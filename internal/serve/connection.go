package serve

import (
	"net/netip"
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// connection is one connection's calls. It passes them to workers when the admission permits it.
type connection struct {
	// immutable
	server *Server

	// guarded by server.mu
	transport conn // nil until add; then it stays
	addr      netip.Addr
	ended     bool // the connection is gone
	admitted  bool // counts against the limits of connections

	unfinished server.Unfinished // has a lock of its own

	// guarded by server.admission.mu
	queue queue

	// atomic
	running  atomic.Int64 // tasks handed to workers and not finished
	orphaned atomic.Int64 // of these, handlers that have outlived their calls
	backlog  atomic.Bool  // the peer does not read the responses it has asked for
}

func newConnection(s *Server) *connection {
	return &connection{server: s}
}

// limit is how many handlers may run at a time.
func (c *connection) limit() int64 { return int64(c.server.cfg.MaxHandlers) }

// Dispatch implements server.Dispatcher.
func (c *connection) Dispatch(sc *server.Call) { c.begin(sc) }

// Withdraw implements server.Dispatcher.
func (c *connection) Withdraw(sc *server.Call) bool { return c.withdraw(sc) }

// Abandoned implements server.Dispatcher.
func (c *connection) Abandoned(sc *server.Call) { c.orphan(sc.Method(), 1) }

// Finished implements server.Dispatcher.
func (c *connection) Finished(sc *server.Call) {
	if sc.WasAbandoned() {
		c.orphan(sc.Method(), -1)
	}
	c.finished()
}

// Backlog is called by the transport when finished responses pile up because the peer does not read
// them, and again when it has. Meanwhile no call of the connection is started: responses that are
// not read are memory that a peer can claim with a few bytes each.
func (c *connection) Backlog(full bool) {
	a := &c.server.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	c.backlog.Store(full)
	a.advanceLocked(c)
}

// Postpone implements server.Dispatcher. The call waits in the queue, where it takes no one's turn.
func (c *connection) Postpone(sc *server.Call) bool {
	if !c.backlog.Load() {
		return false
	}
	a := &c.server.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	if !c.backlog.Load() {
		return false
	}
	c.running.Add(-1)
	a.waiting.Add(1)
	c.queue.tasks = append(c.queue.tasks, sc)
	a.advanceLocked(c)
	return true
}

// refusing counts a call that is refused on the read loop, and charges it to the peer. Calls with
// long header lists were counted by the transport, and weigh more.
func (c *connection) refusing(s transport.ServerStream, token reason.Code) {
	weight := 1
	if token == reason.HeaderList {
		weight = abuse.LongHead
	} else {
		c.server.ends.Add(token)
	}
	if r, ok := s.(transport.Refuser); ok {
		r.Refused(weight)
	}
}

// Unfinished implements server.Dispatcher.
func (c *connection) Unfinished() *server.Unfinished { return &c.unfinished }

// Problem implements server.Dispatcher.
func (c *connection) Problem(token reason.Code) { c.server.ends.Add(token) }

// ConnDone is called by the transport when the connection is gone.
func (c *connection) ConnDone() {
	c.unfinished.Close()
	c.server.remove(c)
}

func (c *connection) drain(text string) { c.transport.Drain(text) }

func (c *connection) close(text string) {
	c.transport.Close(&transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginUser, Token: reason.ServerClosed, Reason: text,
	})
}
