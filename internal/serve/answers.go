package serve

import (
	"runtime"
	"time"

	"github.com/naru-rpc/naru/internal/call"
)

// Large answers. A request of a few bytes can ask for an answer of megabytes, hundreds at a time, and by
// the time the first of them has to wait for a client that does not read, all of their handlers may
// have begun. So a call whose method has lately given large answers is begun only if what such calls are
// about to make, and what waits for clients already, is not much; otherwise one at a time for each
// connection, and none while an answer of that connection waits. Handlers that wait for something must
// not hold back others for long: every largeTick some more are begun, twice as many each time.
//
// Methods with small answers, and streams, which wait for their client with each message, cost two atomic loads.
const (
	largeAnswer = 64 << 10 // from here on
	// firstAnswer is taken for the answers of a method of which none is known, and for a connection's first.
	firstAnswer = 1 << 20
	largeTick   = 10 * time.Millisecond
)

// largeMost is what may be expected and wait before calls with large answers go one at a time.
var largeMost = int64(max(5, 2*runtime.GOMAXPROCS(0))) << 20

// largeCalls is a connection's calls with large answers. Guarded by connection.mu.
type largeCalls struct {
	parked  []*call.ServerCall
	timer   *time.Timer
	running int32
	free    int32 // may begin whatever is expected
	step    int32 // how many the next tick begins
	ticking bool
	backlog bool // answers wait for the peer
}

// expect returns the size of the answer a call is expected to have, 0 if it does not matter. What methods
// answer to others says little of a peer none of whose calls has ended.
func (c *connection) expect(m *call.ServerMethod) int64 {
	most, n := m.Answer.Load(), c.largest.Load()
	switch {
	case m.ServerStreams:
		return 0
	case most == 0 || n == 0:
		return firstAnswer
	case most < largeAnswer || n < largeAnswer:
		return 0
	}
	return n
}

// postponeLarge is Postpone for calls with large answers.
func (c *connection) postponeLarge(sc *call.ServerCall) bool {
	n := c.expect(sc.Method())
	if n == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.large
	s := c.server
	switch {
	case s.expected.Load()+s.cfg.HTTP2.Unsent()+n <= largeMost:
	case l.running == 0 && !l.backlog:
	case l.free > 0:
		l.free--
	default:
		if l.parked = append(l.parked, sc); !l.backlog {
			c.tickLocked()
		}
		return true
	}
	l.running++
	sc.Heavy = int32(n)
	s.expected.Add(n)
	return false
}

// tickLocked sees to it that parked calls are looked after.
func (c *connection) tickLocked() {
	l := &c.large
	if l.ticking {
		return
	}
	l.ticking = true
	if l.timer == nil {
		l.timer = time.AfterFunc(largeTick, c.largeTick)
	} else {
		l.timer.Reset(largeTick)
	}
}

// largeTick begins parked calls although others run, which seem to wait for something. While answers wait
// for the peer there is no tick: it is the peer's turn.
func (c *connection) largeTick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.large
	l.ticking = false
	if len(l.parked) == 0 || l.backlog {
		l.step, l.free = 0, 0
		return
	}
	l.step = max(1, 2*l.step)
	l.free = l.step
	c.releaseLocked(int(l.step))
	c.tickLocked()
}

// releaseLocked puts up to n parked calls back into the queue.
func (c *connection) releaseLocked(n int) {
	l := &c.large
	n = min(n, len(l.parked))
	for i, sc := range l.parked[:n] {
		l.parked[i] = nil
		c.server.workers.Go(sc)
	}
	if l.parked = l.parked[n:]; len(l.parked) == 0 {
		l.parked = nil
	}
}

// answered notes how large the answer of a call was, and begins another in its place.
func (c *connection) answered(sc *call.ServerCall) {
	m, n := sc.Method(), sc.Answered()
	n = max(n, 1)
	if n > m.Answer.Load() {
		m.Answer.Store(n)
	}
	// The largest of late. A race loses one step: it is an estimate.
	if known := c.largest.Load(); n > known {
		c.largest.Store(n)
	} else if known >= largeAnswer {
		c.largest.Store(max(n, known-known/32))
	}
	if sc.Heavy == 0 {
		return
	}
	c.server.expected.Add(-int64(sc.Heavy))
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.large
	l.running--
	l.step, l.free = 0, 0 // they end by themselves
	if len(l.parked) > 0 && !l.backlog {
		c.releaseLocked(max(1, int((largeMost-c.server.expected.Load()-c.server.cfg.HTTP2.Unsent())/int64(sc.Heavy))))
	}
}
