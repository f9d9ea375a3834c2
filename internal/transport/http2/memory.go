package http2

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport"
)

// memory counts what all connections of a server hold: received bytes that programs have not taken,
// and responses that clients have not. At the limit the streams whose bytes move most slowly are
// ended, see shed; docs/memory.md says what follows.
//
// Lock order: memory.mu before conn.mu.
type memory struct {
	limit int64 // immutable; bytes

	faults faults // connections that linger
	held   atomic.Int64

	// One decides what is to end. Connections that hold much wait for it, as they would hold more
	// meanwhile.
	deciding sync.Mutex

	mu    sync.Mutex
	conns map[*conn]struct{}
	count atomic.Int64 // of conns
}

func newMemory(limit int64) *memory {
	return &memory{limit: limit, conns: make(map[*conn]struct{})}
}

func (m *memory) add(c *conn) {
	m.mu.Lock()
	m.conns[c] = struct{}{}
	m.count.Store(int64(len(m.conns)))
	m.mu.Unlock()
}

func (m *memory) remove(c *conn) {
	m.mu.Lock()
	delete(m.conns, c)
	m.count.Store(int64(len(m.conns)))
	m.mu.Unlock()
}

// short reports whether half of the memory is held: windows grow no more then.
func (m *memory) short() bool { return m.held.Load() >= m.limit/2 }

// holder is a stream that can be ended for what it holds.
type holder struct {
	c  *conn
	id uint32
}

// shed ends the streams whose bytes move most slowly until a tenth of the limit is free again, if
// the limit is exceeded. Each connection ends its own on its read loop, before it reads more. The
// caller holds no lock of a connection.
func (c *conn) shed() {
	m := c.memory
	if m == nil || m.held.Load() <= m.limit {
		return
	}
	if !m.deciding.TryLock() {
		if !c.holdsMuch() {
			return
		}
		m.deciding.Lock()
	}
	defer m.deciding.Unlock()
	if m.held.Load() <= m.limit {
		return
	}
	m.mu.Lock()
	var (
		streams []holder
		holders []flow.Holder
	)
	for c := range m.conns {
		now := time.Now()
		c.mu.Lock()
		c.h.Streams(func(s *h2.Stream) {
			st := s.User.(*stream)
			if now.Sub(st.toldAt) < tellAgain {
				return // what it holds is as good as free
			}
			if h := c.holds(st, now); h.Bytes >= leastShed {
				streams, holders = append(streams, holder{c, s.ID}), append(holders, h)
			}
		})
		c.mu.Unlock()
	}
	m.mu.Unlock()
	end := make(map[*conn][]uint32)
	free := -m.limit / 10 * 9 // not by what is counted: streams that were told to end may hold some for a moment
	for _, h := range holders {
		free += h.Bytes
	}
	for _, i := range flow.Slowest(holders) {
		if free <= 0 {
			break
		}
		free -= holders[i].Bytes
		end[streams[i].c] = append(end[streams[i].c], streams[i].id)
	}
	err := transport.ServerMemoryOver(m.limit)
	for c, ids := range end {
		c.lock()
		if ids = c.dropResponsesLocked(ids, err); len(ids) > 0 {
			for _, id := range ids {
				if s := c.h.Stream(id); s != nil {
					s.User.(*stream).toldAt = time.Now()
				}
			}
			c.orderLocked(order{ids, err})
		}
		c.updateLocked()
		c.flushAndUnlock(flushNow)
	}
}

// holdsMuch reports whether the connection holds a quarter of its even share of the server's
// memory, or more.
func (c *conn) holdsMuch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 4*c.held.told*c.memory.count.Load() >= c.memory.limit
}

// dropResponsesLocked ends those of the streams whose sinks need not be told, as only their
// responses wait. It returns the others.
func (c *conn) dropResponsesLocked(ids []uint32, err *transport.Error) (others []uint32) {
	for _, id := range ids {
		s := c.h.Stream(id)
		if s == nil || !s.RemoteClosed || !s.SendEnded() {
			others = append(others, id)
			continue
		}
		s.User.(*stream).endErr = err
		c.h.Reset(s, frame.ErrCode(err.Code))
		c.counted(err)
	}
	return others
}

// tellAgain is how long a stream has to end when it was told to: the next time it is reset.
const tellAgain = 100 * time.Millisecond

// holds returns what a stream holds, in the direction in which it holds more.
func (c *conn) holds(s *stream, now time.Time) flow.Holder {
	h := s.Holder(c.nanos(now))
	if q := int64(s.Queued()); q > h.Bytes {
		h = flow.Holder{Bytes: q, Moved: int64(s.queuedSum) - q, Age: int64(now.Sub(s.queuedAt))}
	}
	return h
}

// noteQueuedLocked notes that n bytes were sent on s, some of which wait; before of it did already.
func (s *stream) noteQueuedLocked(before, n int) {
	if before == 0 {
		s.queuedAt, s.queuedSum = time.Now(), s.Queued()
	} else {
		s.queuedSum += n
	}
}

// held is what is known of the bytes a connection holds. conn.mu guards it.
type held struct {
	told       int64       // what the server was told
	backlogged bool        // finished responses pile up
	ticking    bool        // tick runs: messages wait for memory of the connection
	tick       *time.Timer // nil: none ever did
}

const (
	heldStep  = 4 << 10 // a connection reports changes of what it holds in steps of about this size
	leastShed = 4 << 10 // a stream that holds less is not ended
)

// tellHeldLocked reports to the server what the connection holds, if that changed by heldStep or
// fell to 0.
func (c *conn) tellHeldLocked() {
	if c.memory == nil {
		return
	}
	n := c.h.Held()
	if c.phase == connEnded {
		n = 0
	}
	if d := n - c.held.told; d >= heldStep || d <= -heldStep || n == 0 && d != 0 {
		c.memory.held.Add(d)
		c.held.told = n
	}
}

// backlogStreams is how many finished responses have to wait, besides their bytes, for a backlog: a
// few large ones on a slow network must not hold back the small calls beside them.
const backlogStreams = 4

// backlogLocked tells the handler when finished responses pile up because the peer does not read
// them, and when half of them have been sent.
func (c *conn) backlogLocked() {
	bytes, streams := c.h.Unsent.DoneBytes, c.h.Unsent.DoneStreams
	full := bytes > c.limits.Backlog && streams >= backlogStreams ||
		c.held.backlogged && bytes > c.limits.Backlog/2 && streams > backlogStreams/2
	if full == c.held.backlogged {
		return
	}
	c.held.backlogged = full
	if b, ok := c.handler.(transport.Backlogger); ok {
		b.Backlog(full)
	}
}

// watchFlowLocked looks after messages that wait for memory of the connection, and data that is
// held back for more window, while there are any, and ends streams if the connection holds more
// than it may.
func (c *conn) watchFlowLocked() {
	if c.h.Overfull() {
		c.orderMemoryLocked(c.h.Excess())
	}
	if c.held.ticking || !c.h.Waits() && !c.h.Holding() {
		return
	}
	c.held.ticking = true
	c.armLocked(&c.held.tick, time.Duration(flow.TickEvery), c.flowTick)
}

func (c *conn) flowTick() {
	c.lock()
	c.held.ticking = false
	if c.err != nil || c.phase == connEnded {
		c.mu.Unlock()
		return
	}
	c.orderMemoryLocked(c.h.Tick(c.clock()))
	c.h.ReleaseHeld()
	c.watchFlowLocked()
	c.flushAndUnlock(flushNow)
}

// orderMemoryLocked has the read loop end streams because of what the connection holds.
func (c *conn) orderMemoryLocked(streams []*h2.Stream) {
	var ids []uint32
	for _, s := range streams {
		ids = append(ids, s.ID)
	}
	if len(ids) > 0 {
		c.orderLocked(order{ids: ids, err: transport.ErrConnectionMemory})
	}
}
