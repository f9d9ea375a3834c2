package nethttp

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/transport"
)

// Memory is what all connections of a server hold: received bytes that programs have not taken, and
// responses that clients have not. At the limit the streams whose bytes move most slowly are ended,
// as on HTTP/2 connections of our own, with which it shares its count.
type Memory struct {
	limit int64         // immutable; bytes
	held  *atomic.Int64 // shared

	shedding atomic.Bool

	mu    sync.Mutex
	conns map[*Conn]struct{}
}

// NewMemory returns a Memory whose bytes are counted in held, with those of others.
func NewMemory(limit int64, held *atomic.Int64) *Memory {
	return &Memory{limit: limit, held: held, conns: make(map[*Conn]struct{})}
}

func (m *Memory) add(c *Conn) {
	m.mu.Lock()
	m.conns[c] = struct{}{}
	m.mu.Unlock()
}

func (m *Memory) remove(c *Conn) {
	m.mu.Lock()
	delete(m.conns, c)
	m.mu.Unlock()
	c.mu.Lock()
	m.held.Add(-c.heldTold)
	c.heldTold = 0
	c.mu.Unlock()
}

// short reports whether half of the memory is held: windows grow no more then.
func (m *Memory) short() bool { return m.held.Load() >= m.limit/2 }

// heldStep is how exactly a connection tells what it holds, and leastShed how much a stream holds
// at least to be ended for it.
const (
	heldStep  = 4 << 10
	leastShed = 4 << 10
)

// tellHeldLocked tells the server what the connection holds, if it is much more or less than it
// knows.
func (c *Conn) tellHeldLocked() {
	n := c.recv.Held() + int64(c.unsent)
	if len(c.streams) == 0 {
		n = 0 // what handlers that have outlived their requests still hold is not the client's
	}
	if d := n - c.heldTold; d >= heldStep || d <= -heldStep || n == 0 && d != 0 {
		c.server.cfg.Memory.held.Add(d)
		c.heldTold = n
	}
}

// shed ends the streams whose bytes move most slowly until a tenth of the limit is free again, if
// the limit is exceeded. The caller holds no lock.
func (m *Memory) shed() {
	if m.held.Load() <= m.limit || !m.shedding.CompareAndSwap(false, true) {
		return
	}
	defer m.shedding.Store(false)
	var (
		streams []*stream
		holders []flow.Holder
	)
	m.mu.Lock()
	for c := range m.conns {
		now := time.Now()
		c.mu.Lock()
		for _, st := range c.streams {
			if h := st.holdsLocked(now); h.Bytes >= leastShed && !st.shed && st.over == nil {
				streams, holders = append(streams, st), append(holders, h)
			}
		}
		c.mu.Unlock()
	}
	m.mu.Unlock()
	free := m.held.Load() - m.limit/10*9
	err := transport.ServerMemoryOver(m.limit)
	for _, i := range flow.Slowest(holders) {
		if free <= 0 {
			break
		}
		free -= holders[i].Bytes
		streams[i].end(err)
	}
}

// holdsLocked returns what a stream holds, in the direction in which it holds more.
func (st *stream) holdsLocked(now time.Time) flow.Holder {
	h := st.recv.Holder(st.conn.now())
	if q := int64(st.queued); q > h.Bytes {
		h = flow.Holder{Bytes: q, Moved: int64(st.sum) - q, Age: int64(now.Sub(st.since))}
	}
	return h
}

// end ends the stream for err: its call answers with a status if it can, or is cut off if it
// cannot, or did not.
func (st *stream) end(err *transport.Error) {
	c := st.conn
	c.server.cfg.Count(&c.info, err)
	st.deliver.Lock()
	c.mu.Lock()
	answers := !st.shed && !st.muted && !st.requested && !st.ended && st.over == nil
	st.shed = true
	c.mu.Unlock()
	if sh, ok := st.sink.(transport.Shedder); ok && answers {
		sh.Shed(err)
		st.deliver.Unlock()
		return
	}
	st.deliver.Unlock()
	st.fail(err)
	st.interruptWrite()
}
