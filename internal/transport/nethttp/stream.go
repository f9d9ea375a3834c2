package nethttp

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// Bytes of a response that wait to be written above which AwaitSend waits, and below which it
// returns.
const (
	highWater = 64 << 10
	lowWater  = 16 << 10
)

var errOver = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Token: reason.StreamOver, Reason: "the stream has ended",
}

// stream is one request and its response.
type stream struct {
	// immutable after newStream
	conn  *Conn
	id    uint32
	w     http.ResponseWriter
	rc    *http.ResponseController
	body  io.ReadCloser
	http1 bool
	work  chan struct{} // capacity 1: the writer has something to do; never closed
	more  chan struct{} // capacity 1: the reader may read more; never closed

	// guarded by deliver, which is held while the sink is called: one call at a time
	deliver sync.Mutex
	sink    transport.Sink

	// guarded by control, which is held while w's deadlines are set: not after ServeHTTP returned
	control sync.Mutex
	retired bool

	// guarded by conn.mu
	recv      flow.Stream
	requested bool // the request has ended
	queue     []step
	queued    int              // bytes of queue, and of the step being written
	ended     bool             // the end of the response is queued, or was
	answerBy  time.Time        // with ended: when nobody waits for the response any more; zero: never
	over      *transport.Error // why the stream was cut short
	muted     bool             // the sink is told nothing more
	drains    bool             // muted, and what still comes is read and dropped
	shed      bool             // the call was told to end for the memory it holds
	room      chan struct{}    // closed when AwaitSend is to look again; nil: nobody waits
	since     time.Time        // since when something is queued
	sum       int              // bytes that were queued then, and since
}

var _ transport.ServerStream = (*stream)(nil)

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // the token of an earlier one is still there, and as good
	}
}

// Send implements transport.ServerStream.
func (st *stream) Send(out *transport.Out) error {
	s := newStep(out)
	c := st.conn
	c.mu.Lock()
	if st.over != nil || st.ended {
		err := st.over
		c.mu.Unlock()
		out.Body.Free()
		if err == nil {
			err = errOver
		}
		return err
	}
	if st.queued == 0 {
		st.since, st.sum = time.Now(), 0
	}
	n, idle := s.size(), st.queued == 0
	st.queue = append(st.queue, s)
	st.queued += n
	st.sum += n
	c.unsent += n
	if out.End {
		st.ended, st.answerBy = true, out.Deadline
		if idle {
			st.answerBy = answerBy(out.Deadline)
		}
		st.wakeLocked()
		c.backlog.bytes += st.queued
		c.backlog.streams++
		c.backlogLocked()
	}
	behind := out.End && len(st.queue) > 1 || st.queued > n
	c.tellHeldLocked()
	c.mu.Unlock()
	wake(st.work)
	if out.End && behind {
		st.limitWrite() // the writer may be in the middle of what is before it
	}
	return nil
}

// lateAnswer is how long the end of a response may still be written when its call's deadline has
// passed, if the client has taken what was before it: the status DEADLINE_EXCEEDED is always that
// late. The client's clock may be late too, and to it a response that is cut off says less.
const lateAnswer = time.Second

func answerBy(deadline time.Time) time.Time {
	if deadline.IsZero() {
		return deadline
	}
	if least := time.Now().Add(lateAnswer); deadline.Before(least) {
		return least
	}
	return deadline
}

// wroteLocked notes that n bytes are no longer this side's.
func (st *stream) wroteLocked(n int) {
	c := st.conn
	st.queued -= n
	c.unsent -= n
	if st.ended {
		c.backlog.bytes -= n
		c.backlogLocked()
	}
	if st.queued <= lowWater {
		st.wakeLocked()
	}
	c.tellHeldLocked()
}

func (st *stream) wakeLocked() {
	if st.room != nil {
		close(st.room)
		st.room = nil
	}
}

// AwaitSend implements transport.StreamControl.
func (st *stream) AwaitSend(done <-chan struct{}) error {
	c := st.conn
	for wait := false; ; wait = true {
		c.mu.Lock()
		switch {
		case st.over != nil:
			err := st.over
			c.mu.Unlock()
			return err
		case st.ended:
			c.mu.Unlock()
			return errOver
		case st.queued <= lowWater || !wait && st.queued <= highWater:
			c.mu.Unlock()
			return nil
		}
		if st.room == nil {
			st.room = make(chan struct{})
		}
		room := st.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-done:
			return transport.ErrAwaitDone
		}
	}
}

// Consumed implements transport.StreamControl.
func (st *stream) Consumed(n int) {
	if n <= 0 {
		return
	}
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recv.Consumed(&st.recv, int64(n), c.now())
	c.tellHeldLocked()
}

// Want implements transport.StreamControl.
func (st *stream) Want(begin, end int64) {
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recv.Want(&st.recv, begin, end, c.now())
	c.watchLocked()
}

// Reset implements transport.StreamControl. net/http knows one way to cut a response off, so that
// the client is not told the code.
func (st *stream) Reset(code uint32, token reason.Code) {
	c := st.conn
	c.mu.Lock()
	st.cutLocked(&transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginUser, Code: code, Token: token,
		Reason: "stream reset by this side",
	})
	st.muted = true
	c.mu.Unlock()
	st.interruptWrite()
}

// cutLocked ends the stream before its response is complete. It reports whether it was not over
// yet.
func (st *stream) cutLocked(err *transport.Error) bool {
	if st.over != nil {
		return false
	}
	st.over = err
	st.wakeLocked()
	wake(st.work)
	wake(st.more)
	return true
}

// fail ends the stream for err, and tells its sink unless the response is complete.
func (st *stream) fail(err *transport.Error) {
	c := st.conn
	st.deliver.Lock()
	defer st.deliver.Unlock()
	c.mu.Lock()
	tell := st.cutLocked(err) && !st.muted && !st.ended
	st.muted = true
	c.mu.Unlock()
	if tell && st.sink != nil {
		st.sink.Closed(err)
	}
}

// ID implements transport.StreamControl.
func (st *stream) ID() uint32 { return st.id }

// Release implements transport.StreamControl.
func (st *stream) Release() {}

// Conn implements transport.StreamControl.
func (st *stream) Conn() *transport.ConnInfo { return &st.conn.info }
