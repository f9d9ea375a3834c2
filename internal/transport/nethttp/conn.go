package nethttp

import (
	"net/http"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// A Conn is a connection of net/http's, for as long as requests run on it: net/http tells its
// handlers of no more.
type Conn struct {
	// immutable after begin
	server   *Server
	key      connKey
	keyed    bool
	info     transport.ConnInfo
	handler  transport.ServerHandler
	draining chan struct{} // closed once, by Drain or Close
	done     chan struct{} // closed once, by finish
	epoch    time.Time     // what times of recv count from

	// guarded by mu
	mu       sync.Mutex
	streams  map[uint32]*stream
	lastID   uint32
	drained  bool
	recv     flow.Conn   // what is held of requests
	heldTold int64       // of it and of responses, what Memory knows of
	unsent   int         // bytes of responses that are not written
	tick     *time.Timer // nil: nothing has waited yet
	ticking  bool
	backlog  backlog
}

// backlog is what finished responses wait for their client.
type backlog struct {
	bytes, streams int
	full           bool
}

func newConn(s *Server, r *http.Request) *Conn {
	c := &Conn{
		server:   s,
		draining: make(chan struct{}),
		done:     make(chan struct{}),
		epoch:    time.Now(),
		streams:  make(map[uint32]*stream),
	}
	c.info = transport.ConnInfo{
		ID: transport.NextConnID(), Local: localAddr(r.Context()), Remote: remoteAddr(r.RemoteAddr),
		TLS: r.TLS, Draining: c.draining,
	}
	c.recv = flow.NewConn(flow.Config{
		Initial: int64(s.cfg.StreamWindow), Max: int64(s.cfg.MaxStreamWindow), Memory: int64(s.cfg.ReceiveMemory),
		Short: s.cfg.Memory.short, Announce: c.announce,
	})
	s.cfg.Memory.add(c)
	return c
}

// Info describes the connection.
func (c *Conn) Info() *transport.ConnInfo { return &c.info }

// Done is closed when the last request has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

func (c *Conn) now() int64 { return int64(time.Since(c.epoch)) }

// announce is told that a stream may read more. The caller has mu.
func (c *Conn) announce(id uint32, _ int64) {
	if st := c.streams[id]; st != nil {
		wake(st.more)
	}
}

// newStream opens a stream for a request, nil if the connection takes no more.
func (c *Conn) newStream(w http.ResponseWriter, r *http.Request) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drained {
		return nil
	}
	c.lastID++
	st := &stream{
		conn: c, id: c.lastID, w: w, rc: http.NewResponseController(w), body: r.Body,
		http1: r.ProtoMajor < 2,
		work:  make(chan struct{}, 1), more: make(chan struct{}, 1),
	}
	c.streams[st.id] = st
	c.recv.Open(&st.recv, st.id)
	return st
}

func (c *Conn) inUse() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams) > 0
}

// remove forgets a stream, and reports whether it was the last.
func (c *Conn) remove(st *stream) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, st.id)
	if last = len(c.streams) == 0; last {
		c.drained = true
		if c.tick != nil {
			c.tick.Stop()
		}
	}
	return last
}

// finish ends a connection without streams.
func (c *Conn) finish() {
	c.server.cfg.Memory.remove(c)
	close(c.done)
	c.server.cfg.Closed(c.handler)
}

// Drain takes no more requests.
func (c *Conn) Drain(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drainLocked()
}

func (c *Conn) drainLocked() {
	select {
	case <-c.draining:
	default:
		close(c.draining)
	}
	c.drained = true
}

// Close ends every stream with err (nil: "connection closed by this side").
func (c *Conn) Close(err *transport.Error) {
	if err == nil {
		err = &transport.Error{
			Scope: transport.ScopeConn, Origin: transport.OriginUser, Token: reason.Closed,
			Reason: "connection closed by this side",
		}
	}
	c.mu.Lock()
	c.drainLocked()
	streams := make([]*stream, 0, len(c.streams))
	for _, st := range c.streams {
		streams = append(streams, st)
	}
	c.mu.Unlock()
	for _, st := range streams {
		st.fail(err)
		st.interruptWrite()
	}
}

// isDraining reports whether the response should tell the client to go elsewhere.
func (c *Conn) isDraining() bool {
	select {
	case <-c.draining:
		return true
	default:
		return false
	}
}

// backlogLocked tells the handler when finished responses pile up because the client does not take
// them, and when half of them is gone. It goes by the same rule as on HTTP/2 connections.
func (c *Conn) backlogLocked() {
	const streams = 4
	b, limit := &c.backlog, c.server.cfg.Backlog
	full := b.bytes > limit && b.streams >= streams || b.full && b.bytes > limit/2 && b.streams > streams/2
	if full == b.full {
		return
	}
	b.full = full
	if h, ok := c.handler.(transport.Backlogger); ok {
		h.Backlog(full)
	}
}
