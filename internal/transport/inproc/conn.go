package inproc

import (
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// Addr is the address of both ends.
type Addr struct{}

// Network returns "inproc".
func (Addr) Network() string { return "inproc" }

// String returns "inproc".
func (Addr) String() string { return "inproc" }

var _ net.Addr = Addr{}

// nextID numbers connections in an order of their own, apart from those with sockets.
var nextID atomic.Uint64

// A Conn is an in-process connection. It is a transport.ClientConn; the server's side of it is
// [Conn.Server].
type Conn struct {
	// immutable
	clientInfo, serverInfo transport.ConnInfo
	handler                transport.ServerHandler
	limit                  uint32
	draining               chan struct{} // closed once, by drainLocked
	done                   chan struct{} // closed once, by endLocked

	// immutable after the first Open
	requests, responses HeaderLimits

	// guarded by mu
	mu      sync.Mutex
	streams map[*stream]struct{}
	lastID  uint32
	opening int           // Opens that call the handler now
	slot    chan struct{} // closed when a stream ends; nil: nobody waits
	drained bool
	reason  string
	err     *transport.Error // not nil: gone
	onDone  func()           // called once after done is closed and no Open is under way; nil: nobody asks, or called
}

// New returns a connection whose streams go to handler. limit is the most streams open at a time;
// 0: no limit. onDone, if not nil, is called once when the connection is gone.
func New(handler transport.ServerHandler, limit uint32, onDone func()) *Conn {
	if limit == 0 {
		limit = math.MaxUint32
	}
	c := &Conn{
		handler:  handler,
		limit:    limit,
		onDone:   onDone,
		draining: make(chan struct{}),
		done:     make(chan struct{}),
		streams:  make(map[*stream]struct{}),
	}
	id := nextID.Add(1)
	c.clientInfo = transport.ConnInfo{ID: id, Local: Addr{}, Remote: Addr{}, Draining: c.draining}
	c.serverInfo = transport.ConnInfo{ID: id, Local: Addr{}, Remote: Addr{}, Draining: c.draining}
	return c
}

// Open implements transport.ClientConn.
func (c *Conn) Open(head *transport.RequestHead, body *mem.Buf, end bool, sink transport.ClientSink) (transport.ClientStream, error) {
	if err := c.requests.check(requestSize(head)); err != nil {
		body.Free()
		return nil, err
	}
	s := &stream{conn: c, clientSink: sink}
	s.up.deliver, s.down.deliver = s.deliverUp, s.deliverDown
	// This goroutine is the deliverer of the upward half until the body is over: what others send
	// meanwhile queues behind it. So does Close, which finds the stream as soon as it is in the
	// map.
	s.up.delivering = true
	c.mu.Lock()
	if err := c.refusalLocked(); err != nil {
		c.mu.Unlock()
		body.Free()
		return nil, err
	}
	c.lastID += 2
	s.id = c.lastID - 1
	c.streams[s] = struct{}{}
	c.opening++
	c.mu.Unlock()

	s.up.sink = c.handler.Stream(serverEnd{s}, c.requests.request(head), end && body == nil)
	c.opened()
	first := step{body: body, end: end}
	s.up.mu.Lock()
	ended := s.up.ended
	s.up.ended = s.up.ended || end
	if body != nil {
		s.up.held += len(body.B)
	}
	s.up.mu.Unlock()
	if body == nil && (end || ended) {
		first = step{} // the handler knows already
	}
	s.up.run(first)
	return clientEnd{s}, nil
}

// opened notes that the handler has been told of a stream.
func (c *Conn) opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening--
	c.tellDoneLocked()
}

func (c *Conn) refusalLocked() error {
	switch {
	case c.err != nil:
		return &transport.Error{Scope: transport.ScopeConn, Origin: c.err.Origin, Token: c.err.Token, Reason: c.err.Reason, Unprocessed: true, Cause: c.err.Cause}
	case c.drained:
		return &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginPeer, Token: reason.Draining, Reason: "the connection takes no new streams: " + c.reason, Unprocessed: true}
	case uint32(len(c.streams)) >= c.limit:
		return transport.ErrStreamLimit
	}
	return nil
}

// AwaitSlot implements transport.ClientConn.
func (c *Conn) AwaitSlot(done <-chan struct{}) error {
	for {
		c.mu.Lock()
		err := c.refusalLocked()
		if err != transport.ErrStreamLimit {
			c.mu.Unlock()
			return err
		}
		if c.slot == nil {
			c.slot = make(chan struct{})
		}
		slot := c.slot
		c.mu.Unlock()
		select {
		case <-slot:
		case <-done:
			return transport.ErrAwaitDone
		}
	}
}

func (c *Conn) forget(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, s)
	c.wakeLocked()
	if c.drained && len(c.streams) == 0 {
		c.endLocked(&transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginUser, Token: reason.Drained, Reason: "the connection was drained: " + c.reason})
	}
}

func (c *Conn) wakeLocked() {
	if c.slot != nil {
		close(c.slot)
		c.slot = nil
	}
}

// Load implements transport.ClientConn.
func (c *Conn) Load() (open, limit uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint32(len(c.streams)), c.limit
}

// Info implements transport.ClientConn.
func (c *Conn) Info() *transport.ConnInfo { return &c.clientInfo }

// Done implements transport.ClientConn.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err implements transport.ClientConn.
func (c *Conn) Err() *transport.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Drain implements transport.ClientConn; both sides may call it.
func (c *Conn) Drain(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drainLocked(text)
	if len(c.streams) == 0 {
		c.endLocked(&transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginUser, Token: reason.Drained, Reason: "the connection was drained: " + text})
	}
}

func (c *Conn) drainLocked(reason string) {
	if !c.drained {
		c.drained, c.reason = true, reason
		close(c.draining)
		c.wakeLocked()
	}
}

func (c *Conn) endLocked(err *transport.Error) {
	if c.err == nil {
		c.err = err
		close(c.done)
		c.tellDoneLocked()
	}
}

// tellDoneLocked calls onDone when the connection is gone and the handler is told of no more
// streams.
func (c *Conn) tellDoneLocked() {
	if c.err == nil || c.opening > 0 || c.onDone == nil {
		return
	}
	go c.onDone()
	c.onDone = nil
}

// Close implements transport.ClientConn; both sides may call it.
func (c *Conn) Close(err *transport.Error) {
	if err == nil {
		err = &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginUser, Token: reason.Closed, Reason: "connection closed by this side"}
	}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.drainLocked(err.Reason)
	c.endLocked(err)
	streams := make([]*stream, 0, len(c.streams))
	for s := range c.streams {
		streams = append(streams, s)
	}
	c.mu.Unlock()
	for _, s := range streams {
		if s.over() {
			s.up.send(step{closed: err})
			s.down.send(step{closed: err})
			c.forget(s)
		}
	}
}

// String returns "inproc connection 3".
func (c *Conn) String() string { return fmt.Sprintf("inproc connection %d", c.clientInfo.ID) }
