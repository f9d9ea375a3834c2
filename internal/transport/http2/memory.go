package http2

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// memory is what all connections of a server hold: received bytes that programs have not taken, and
// responses that clients have not. It is a count and no more. At the limit the streams whose bytes move
// most slowly are ended, see shed; docs/memory.md says what follows.
//
// Lock order: memory.mu before conn.mu.
type memory struct {
	limit int64 // immutable; bytes

	faults  faults // connections that linger
	held    atomic.Int64
	pending atomic.Int32 // connections that have been told to end streams and have not yet

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func newMemory(limit int64) *memory {
	return &memory{limit: limit, conns: make(map[*conn]struct{})}
}

// leastServerMemory is what a server may hold however little memory there is.
const leastServerMemory = 64 << 20

// defaultServerMemory is a quarter of the memory the process may use.
func defaultServerMemory() int64 { return max(mem.Limit()/4, leastServerMemory) }

func (m *memory) add(c *conn) {
	m.mu.Lock()
	m.conns[c] = struct{}{}
	m.mu.Unlock()
}

func (m *memory) remove(c *conn) {
	m.mu.Lock()
	delete(m.conns, c)
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
// the limit is exceeded. Each connection ends its own on its read loop; until all have, nothing more is
// decided. The caller holds no lock of a connection.
func (m *memory) shed() {
	if m == nil || m.held.Load() <= m.limit || !m.pending.CompareAndSwap(0, 1) {
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
			if h := c.holds(s.User.(*stream), now); h.Bytes >= leastShed {
				streams, holders = append(streams, holder{c, s.ID}), append(holders, h)
			}
		})
		c.mu.Unlock()
	}
	m.mu.Unlock()
	end := make(map[*conn][]uint32)
	free := -m.limit / 10 * 9 // not by what is held: streams that were ended may hold some for a moment
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
	err := &transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.EnhanceYourCalm), Token: reason.ServerMemory,
		Reason: "server holds its limit of " + strconv.FormatInt(m.limit, 10) +
			" bytes of messages, and this call's came or went more slowly than others' (Limits.ServerMemory, WithLimits)",
	}
	for c, ids := range end {
		c.lock()
		if ids = c.dropResponsesLocked(ids, err); len(ids) > 0 {
			m.pending.Add(1)
			c.orderLocked(order{ids, err, true})
		}
		c.updateLocked()
		c.flushAndUnlock(flushNow)
	}
	m.pending.Add(-1)
}

// dropResponsesLocked ends those of the streams that have nothing more to tell their sinks: their responses wait.
// It returns the others.
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

// leastShed is how much a stream holds at least to be ended for it.
const leastShed = 4 << 10

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
