package http2

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport"
)

const (
	// firstShared is what all connections of a server together may grant to half-received messages at
	// first. A message that lacks more is granted when nothing else is, or to the guest.
	firstShared = 1 << 20
	// guestShared is what one connection at a time, the guest, may have, whatever those that wait hold: a client that
	// begins a large message on each of 256 streams needs 16 MiB and one message before any of them
	// gets on. With less four such clients would wait for each other until some are cut.
	guestShared = 21 << 20
	// formerLeast is what a connection that was the guest has to hold still to count as one that was.
	formerLeast = 1 << 20
	// guestStep is how much more a guest may have at once, and again each sweepEvery: until the first, others
	// that are about to wait are not known.
	guestStep = 4 << 20
	// roomyShared is up to how much all connections may hold together, messages that came whole included, before windows
	// of connections grow no more.
	roomyShared = 16 << 20
	// heldStep is how exactly a connection tells what it holds.
	heldStep = 64 << 10
	// mostShared is what they may grant when messages come whole and more are to come.
	mostShared = 128 << 20
	// sweepEvery is how often waiting connections are looked after.
	sweepEvery = 100 * time.Millisecond
	// patience is how long a connection waits for others that go on before the budget grows for it.
	patience = time.Second
	// longPatience is how long it waits if much is held already.
	longPatience = 5 * time.Second
)

// memory is the budget for half-received messages that a server's connections share (see
// h2/memory.go). It starts small and doubles as messages granted from it come whole while others
// wait, so that peers which go on get what they need and peers which only begin do not. One connection at
// a time is a guest and may have more, until it needs nothing, does not go on, or others have waited for
// it long enough.
//
// Its timer runs only while a connection waits, its goroutine only while one may be served. Lock order:
// conn.mu before memory.mu; tick and serve take a connection's lock with memory's free.
type memory struct {
	// immutable
	most  int64 // what allowed may grow to
	fixed bool  // the amount was asked for: all of it is there from the beginning

	unsent atomic.Int64 // bytes of finished responses that wait, see stall.go
	held   atomic.Int64 // received bytes that programs have not taken, as told by connections

	// guarded by mu (a leaf lock)
	mu      sync.Mutex
	allowed int64
	granted int64
	whole   int64           // of what was granted, come whole since allowed last grew
	untaken int64           // of granted, held by messages that came whole and wait for the program
	holders map[*conn]int64 // what each has of granted
	hungry  map[*conn]int64 // have streams that wait, for this budget or within the connection's own limits; what each holds besides
	pinned  int64           // sum of what those hold besides
	queue   []*conn         // of them, those that wait for this budget, in turn
	waited  time.Time       // since when the first of queue waits
	turn    *conn           // is being served
	guest   *conn           // may have more, up to guestShared
	ticks   int64           // since it is the guest
	former  map[*conn]bool  // were the guest, did not go on, and still hold much
	left    int64           // what they hold
	refused bool            // turn did not get what it asked for
	freed   int             // counts releases
	serving bool            // serve runs or is about to
	timer   *time.Timer
	ticking bool
}

func newMemory(most int64) *memory {
	m := &memory{most: most, fixed: most > 0, holders: make(map[*conn]int64), hungry: make(map[*conn]int64)}
	if m.allowed = most; !m.fixed {
		m.most, m.allowed = mostShared, firstShared
	}
	return m
}

// connBudget is the memory as one connection sees it: h2.Budget.
type connBudget conn

// Reserve implements h2.Budget. Whoever is not at its turn does not overtake those that wait. What alone
// is more than there may be is granted when nothing else is.
func (b *connBudget) Reserve(n int64) bool {
	c, m := (*conn)(b), b.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := m.turn == c || m.guest == c || len(m.queue) == 0
	if mine && m.fitsLocked(c, n) {
		m.addLocked(c, n)
		return true
	}
	if m.turn == c {
		m.refused = true
	} else if !slices.Contains(m.queue, c) {
		if len(m.queue) == 0 {
			m.waited = time.Now()
		}
		m.queue = append(m.queue, c)
	}
	return false // the connection calls Hungry
}

func (m *memory) fitsLocked(c *conn, n int64) bool {
	if m.granted <= 0 || m.granted+n <= m.allowed {
		return true
	}
	if m.guest == nil && !m.fixed {
		m.guest, m.ticks = c, 0
	}
	return m.guest == c && m.holders[c]+n <= guestShared-m.left && m.granted+n <= m.allowed+guestStep*(1+m.ticks)
}

// Release implements h2.Budget.
func (b *connBudget) Release(n int64) {
	c, m := (*conn)(b), b.memory
	m.mu.Lock()
	m.addLocked(c, -n)
	m.freed++
	m.wakeLocked()
	m.mu.Unlock()
}

// Completed implements h2.Budget.
func (b *connBudget) Completed(n int64) {
	m := b.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.untaken += n; n > 0 {
		m.whole += n
	}
	// More would help only if it is not the program that others wait for.
	if len(m.queue) > 0 && m.whole >= m.allowed/2 && m.untaken < m.allowed/4 {
		m.whole = 0
		m.allowed = min(2*m.allowed, m.most)
	}
}

// Roomy implements h2.Budget.
func (b *connBudget) Roomy() bool {
	m := b.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fixed || max(m.granted+m.pinned, m.held.Load()) < roomyShared
}

// tellHeldLocked tells the server how many received bytes wait for the program, if it is much more or less than it knows.
func (c *conn) tellHeldLocked() {
	if c.memory == nil {
		return
	}
	n := c.h.Received()
	if c.ended {
		n = 0
	}
	if d := n - c.heldTold; d > heldStep || d < -heldStep || n == 0 && d != 0 {
		c.memory.held.Add(d)
		c.heldTold = n
	}
}

// Hungry implements h2.Budget.
func (b *connBudget) Hungry() {
	m := b.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pinLocked((*conn)(b), b.h.Held())
	if m.ticking {
		return
	}
	m.ticking = true
	if m.timer == nil {
		m.timer = time.AfterFunc(sweepEvery, m.tick)
	} else {
		m.timer.Reset(sweepEvery)
	}
}

func (m *memory) addLocked(c *conn, n int64) {
	m.granted += n
	if left := m.holders[c] + n; left > 0 {
		m.holders[c] = left
	} else {
		m.leaveLocked(c)
		delete(m.holders, c)
	}
	if len(m.holders) == 0 && len(m.queue) == 0 && !m.fixed {
		m.allowed, m.whole = firstShared, 0
	}
}

// pinLocked notes that a hungry connection holds n bytes of its own windows.
func (m *memory) pinLocked(c *conn, n int64) {
	m.pinned += n - m.hungry[c]
	m.hungry[c] = n
}

// dequeueLocked takes c out of the queue.
func (m *memory) dequeueLocked(c *conn) {
	at := slices.Index(m.queue, c)
	if at < 0 {
		return
	}
	if m.queue = slices.Delete(m.queue, at, at+1); at == 0 {
		m.waited = time.Now()
	}
}

// leaveLocked ends c's time as a guest.
func (m *memory) leaveLocked(c *conn) {
	if m.guest == c {
		m.guest = nil
	}
}

func (m *memory) wakeLocked() {
	if len(m.queue) > 0 && !m.serving {
		m.serving = true
		go m.serve()
	}
}

// serve lets the connections of the queue have what there is, one extension each in turn.
func (m *memory) serve() {
	for {
		m.mu.Lock()
		if len(m.queue) == 0 {
			m.serving = false
			m.mu.Unlock()
			return
		}
		at := max(0, slices.Index(m.queue, m.guest)) // the guest first: the others wait for it
		c, freed := m.queue[at], m.freed
		m.turn, m.refused = c, false
		m.mu.Unlock()
		served := c.serveHungry()
		m.mu.Lock()
		m.turn = nil
		if m.refused && m.freed == freed {
			m.serving = false
			m.mu.Unlock()
			return
		}
		if !m.refused {
			m.dequeueLocked(c)
			if served { // there may be more of its streams
				m.queue = append(m.queue, c)
			}
		}
		m.mu.Unlock()
	}
}

// tick looks after the connections that wait and those they wait for.
func (m *memory) tick() {
	now := time.Now()
	m.mu.Lock()
	conns := slices.Collect(maps.Keys(m.holders))
	for c := range m.hungry {
		if _, ok := m.holders[c]; !ok {
			conns = append(conns, c)
		}
	}
	contended := len(m.queue) > 0
	// Who waits for what others hold is not to blame that nothing comes. The guest is: it has what it needs.
	excused := make(map[*conn]bool)
	for _, c := range m.queue {
		excused[c] = !m.fixed && c != m.guest
	}
	m.mu.Unlock()
	stuck := false
	former, left := make(map[*conn]bool), int64(0)
	for _, c := range conns {
		v, hungry, received := c.sweep(now, contended, excused[c])
		stuck = stuck || v.Stuck
		m.mu.Lock()
		if (m.former[c] && !v.Moved || m.guest == c && v.Stalled != nil) && received > formerLeast {
			former[c] = true
			left += received
		}
		if !hungry {
			m.pinned -= m.hungry[c]
			delete(m.hungry, c)
		}
		if !hungry || v.Stalled != nil {
			m.leaveLocked(c)
		}
		m.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ticks++
	m.former, m.left = former, min(left, guestShared/2) // the next guest is not to wait for the last byte
	m.growLocked(now, stuck)
	m.wakeLocked()
	if m.ticking = len(m.hungry) > 0 || len(m.queue) > 0; m.ticking {
		m.timer.Reset(sweepEvery)
	}
}

// growLocked helps the connection that has waited long for others which go on.
func (m *memory) growLocked(now time.Time, stuck bool) {
	waited := now.Sub(m.waited)
	if len(m.queue) == 0 || stuck || waited < patience {
		return
	}
	if m.granted+m.pinned > guestShared && waited < longPatience {
		return
	}
	m.guest = nil
	m.allowed = min(m.allowed+m.allowed/4, m.most)
}

// serveHungry lets the connection take one extension, and tells whether it did.
func (c *conn) serveHungry() bool {
	c.lock()
	if c.err != nil || c.ended {
		c.mu.Unlock()
		return false
	}
	before := len(c.h.Out)
	c.h.Serve()
	served := len(c.h.Out) > before
	c.flushIfLocked(served)
	return served
}

// sweep looks whether the connection goes on, ends what does not, and tells whether it still waits and what it
// held before. contended: others wait for what it holds. excused: it waits for what others hold.
func (c *conn) sweep(now time.Time, contended, excused bool) (v h2.Swept, hungry bool, received int64) {
	c.lock()
	if c.err != nil || c.ended {
		c.mu.Unlock()
		return v, false, 0
	}
	if excused {
		c.h.Excuse(c.nanos(now))
	} else {
		v = c.h.Sweep(c.nanos(now))
	}
	hungry, received = c.h.IsHungry(), c.h.Received()
	waiting, holder := suspects(v.Refuse...), suspects(v.Stalled)
	c.mu.Unlock()
	if refuse := unstarted(waiting); len(refuse) > 0 {
		c.cut(now, refuse, errReceiveRefused, false)
	} else if v.Stalled != nil && (hungry || contended) {
		c.cutHolder(now, holder, v.GiveUp)
	}
	for hungry && c.serveHungry() { // as far as the connection's own limit goes, which Sweep raises if nothing moves
	}
	return v, hungry, received
}

// A starter is a sink that knows whether anybody has looked at its call.
type starter interface{ Started() bool }

// A suspect is a stream that may have to end. By its number: without the lock the stream may end by itself, and be
// another connection's.
type suspect struct {
	id   uint32
	sink transport.Sink
}

func suspects(streams ...*h2.Stream) (out []suspect) {
	for _, s := range streams {
		if s != nil {
			out = append(out, suspect{s.ID, s.User.(*stream).sink})
		}
	}
	return out
}

// unstarted returns those streams whose calls nobody has looked at: RFC 9113 §8.7, REFUSED_STREAM
// promises just that. Calls have locks that come before the connection's.
func unstarted(streams []suspect) (out []suspect) {
	for _, s := range streams {
		if k, ok := s.sink.(starter); ok && !k.Started() {
			out = append(out, s)
		}
	}
	return out
}

var (
	errReceiveRefused = &transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.RefusedStream), Token: "receive_refused",
		Reason: "no memory for the message that the peer has begun (Limits.SharedReceiveMemory, WithLimits)", Unprocessed: true,
	}
	errReceiveStalled = &transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.EnhanceYourCalm), Token: "receive_stalled",
		Reason: "peer began a message and did not go on while others waited for its memory (Limits.SharedReceiveMemory, WithLimits)",
	}
)

// cutHolder ends the call whose message holds what others wait for: so that the peer may try again, if nobody has looked
// at it.
func (c *conn) cutHolder(now time.Time, holder []suspect, giveUp bool) {
	if refuse := unstarted(holder); len(refuse) > 0 {
		c.cut(now, refuse, errReceiveRefused, true)
	} else if giveUp {
		c.cut(now, holder, errReceiveStalled, true)
	}
}

// cut resets streams that want memory for messages that do not come, or hold it (holder).
func (c *conn) cut(now time.Time, streams []suspect, err *transport.Error, holder bool) {
	c.lock()
	var done []suspect
	for _, s := range streams {
		hs := c.h.Stream(s.id)
		if hs == nil || hs.RemoteClosed || !hs.IsWaiting() && !(holder && hs.Lacking()) {
			continue // went on meanwhile
		}
		st := hs.User.(*stream)
		st.endErr, st.Cut = err, true
		c.h.Reset(&st.Stream, frame.ErrCode(err.Code))
		if !err.Unprocessed {
			c.owedResets++
		}
		done = append(done, s)
	}
	c.updateLocked()
	c.flushLocked(flushNow)
	for _, s := range done {
		c.counted(err)
		s.sink.Closed(err) // most give back what they held
	}
	c.mu.Lock()
	c.h.Spare(c.nanos(now), holder)
	c.mu.Unlock()
}
