package channel

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/transport"
)

// slots are the connections of a subConn and the queue of calls that found every stream taken. gRFC
// A105, "Picking a Connection for Each RPC": the oldest connection that has a stream to spare, else
// first come, first served.
type slots struct {
	sub *subConn // immutable

	// atomic. The list is replaced, never changed; oldest first.
	conns   atomic.Pointer[[]*conn]
	waiting atomic.Int32 // length of queue

	// guarded by mu
	mu      sync.Mutex
	queue   []*waiter
	closed  bool
	recheck *time.Timer // runs while calls wait

	// owned by the event loop
	fruitless int // connections in a row that ended soon, and before a call got an answer
}

// waiter is a call in the queue.
type waiter struct {
	// got receives the connection whose slot the call has now, or nil if it should pick anew.
	// Capacity 1, so that dispatch does not wait; one value at most; never closed.
	got chan *conn
}

// recheckEvery is how often waiting calls look at the peers' limits, which may be raised at any
// time. Slots that calls give back are handed on at once.
const recheckEvery = 20 * time.Millisecond

func (s *slots) list() []*conn {
	if p := s.conns.Load(); p != nil {
		return *p
	}
	return nil
}

// take takes a slot of the oldest connection that has one. found reports whether there was any
// connection.
func (s *slots) take() (c *conn, found bool) {
	list := s.list()
	if len(list) == 0 {
		return nil, false
	}
	if s.waiting.Load() > 0 {
		return nil, true // those who came first come first
	}
	for _, c := range list {
		if c.take() {
			return c, true
		}
	}
	return nil, true
}

// add is called by the event loop.
func (s *slots) add(c *conn) {
	s.mu.Lock()
	list := append(slices.Clone(s.list()), c)
	s.conns.Store(&list)
	s.mu.Unlock()
	s.dispatch()
}

// remove is called by the event loop. Calls in the queue go back to the picker when no connection
// is left.
func (s *slots) remove(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.list(), c)
	if i < 0 {
		return false
	}
	if !c.useful.Load() && time.Since(c.since) < s.sub.ch.cfg.Backoff.WithDefaults().BaseDelay {
		s.fruitless++
	} else {
		s.fruitless = 0
	}
	list := slices.Delete(slices.Clone(s.list()), i, i+1)
	s.conns.Store(&list)
	if len(list) == 0 {
		s.flushLocked()
	}
	return true
}

// close takes all connections away.
func (s *slots) close() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list()
	s.closed = true
	s.conns.Store(nil)
	s.flushLocked()
	return list
}

func (s *slots) flushLocked() {
	for _, w := range s.queue {
		w.got <- nil
	}
	s.queue = nil
	s.waiting.Store(0)
	if s.recheck != nil {
		s.recheck.Stop()
		s.recheck = nil
	}
}

// join puts a call into the queue.
func (s *slots) join() *waiter {
	w := &waiter{got: make(chan *conn, 1)}
	s.mu.Lock()
	if s.closed || len(s.list()) == 0 {
		s.mu.Unlock()
		w.got <- nil
		return w
	}
	s.queue = append(s.queue, w)
	s.waiting.Store(int32(len(s.queue)))
	if s.recheck == nil {
		s.recheck = time.AfterFunc(recheckEvery, s.recheckLimits)
	}
	s.mu.Unlock()
	s.dispatch() // a slot may have been given back before the call was in the queue
	return w
}

// leave takes a call out of the queue that does not want to wait any longer.
func (s *slots) leave(w *waiter) {
	s.mu.Lock()
	if i := slices.Index(s.queue, w); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
		s.waiting.Store(int32(len(s.queue)))
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	if c := <-w.got; c != nil { // dispatched in the same moment
		c.give()
	}
}

// dispatch hands free slots to the calls that wait, in order.
func (s *slots) dispatch() {
	s.mu.Lock()
	n := 0
	for _, c := range s.list() {
		for n < len(s.queue) && !c.ended() && c.take() {
			s.queue[n].got <- c
			s.queue[n] = nil
			n++
		}
	}
	s.queue = s.queue[n:]
	s.waiting.Store(int32(len(s.queue)))
	s.mu.Unlock()
}

// recheckLimits runs on a timer while calls wait.
func (s *slots) recheckLimits() {
	for _, c := range s.list() {
		c.readLimit()
	}
	s.dispatch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recheck == nil {
		return
	}
	if len(s.queue) == 0 {
		s.recheck = nil
		return
	}
	s.recheck.Reset(recheckEvery)
}

// full is called after the transport refused a stream although c had a slot for it: the peer has
// lowered its limit, or the transport is a moment behind.
func (s *slots) full(t transport.ClientConn) {
	for _, c := range s.list() {
		if c.t == t {
			c.readLimit()
		}
	}
}
