package flow

import (
	"fmt"
	"math"
)

const (
	// MaxWindow is the largest flow-control window, RFC 9113 §6.9.1.
	MaxWindow = math.MaxInt32
	// ConnWindow is the connection's window. It is larger than all windows of its streams may be
	// for long, so that it is the streams' windows alone that bound what a peer can make this side
	// hold, and no stream waits for another's bytes to be read.
	ConnWindow = 1 << 30
	// protocolWindow is what a connection starts with, RFC 9113 §6.9.2.
	protocolWindow = 65535
	// rttFresh is how long a measured round trip is trusted before another ping is worth it.
	rttFresh = int64(10e9)
)

// Config is what a Conn goes by.
type Config struct {
	// Initial is the window every stream starts with.
	Initial int64
	// Base is what it starts with when first windows have made the connection hold much, see first,
	// and what is open beyond a message whose window was extended. 0, more than Initial, or
	// Unlimited: Initial.
	Base int64
	// Streams is how many streams the peer may have.
	Streams int64
	// Max is what a stream's window may grow to while its program keeps up with the peer.
	Max int64
	// Memory bounds the growth of all streams' windows together, and the extensions for messages
	// that do not fit their windows: twice as much unless Short.
	Memory int64
	// Unlimited extends every window at once (a client: how many responses come is its program's
	// choice).
	Unlimited bool
	// Short reports whether the server holds so much that connections must keep to Memory. nil:
	// never.
	Short func() bool
	// Announce sends WINDOW_UPDATE for a stream, or for the connection if id is 0.
	Announce func(id uint32, n int64)
}

// A Conn is the receive side of one connection's flow control.
type Conn struct {
	cfg Config // immutable

	first  first
	window int64 // what the peer may still send
	held   int64 // bytes that streams received and their programs have not taken
	lent   int64 // sum of the streams' lent
	unused int64 // sum of the streams' unused
	grown  int64 // sum of what the streams' targets exceed the first window by
	// waiting are the streams whose messages need more window than Memory allows for now, in turn.
	waiting    []*Stream
	wantRTT    bool
	rtt, rttAt int64 // least round trip of late, and when it was measured; 0: not known
}

// NewConn returns the state of a new connection. Announce is not called yet: the caller sends
// FirstUpdate with its preface.
func NewConn(cfg Config) Conn {
	if cfg.Base == 0 || cfg.Base > cfg.Initial || cfg.Unlimited {
		cfg.Base = cfg.Initial
	}
	return Conn{cfg: cfg, first: first{window: cfg.Initial}, window: ConnWindow}
}

// FirstUpdate opens the connection's window from the size the protocol gives it.
const FirstUpdate = ConnWindow - protocolWindow

// A Stream is the receive side of one stream's flow control:
//
//	window + held <= target + lent
//
// and what is missing is announced when it is worth a frame.
type Stream struct {
	id    uint32
	phase phase

	window int64 // what the peer may still send; negative when the first window has become smaller
	target int64 // what window aims at while nothing is held
	held   int64 // received, and not taken by the program
	coming int64 // of the DATA frame being received: charged to window, and neither held nor dropped yet
	lent   int64 // what the window was extended by for messages that the program has not taken

	// Offsets in the stream's data, so that it does not matter when the program says where a
	// message lies: the program and the frames that follow run on different goroutines.
	got      int64 // received
	msgBegin int64 // of the message being received, as Want said last
	msgEnd   int64 // got or less: it is complete, or the program has not said

	unused int64 // of lent, what a slow peer was given and has not used; it counts when it comes
	began  int64 // when held was last 0, or the program last took something
	asked  int64 // need when the window was last extended
	lentAt int64 // when that was
	halfAt int64 // when half of target was last used
}

// A phase is where the message being received stands:
//
//	fits ──(needs more window)──▶ waiting ──(its turn)──▶ extended
//	 ▲  └──────────(there is memory)───────────────────────▲  │
//	 └──────────────────────(complete)────────────────────────┘    any ──▶ closed
type phase uint8

const (
	fits phase = iota
	waiting
	extended
	closed // nothing is announced any more: the peer has ended its half, or the stream is over
)

// Open begins a stream.
func (c *Conn) Open(s *Stream, id uint32) {
	*s = Stream{id: id, window: c.first.window, target: c.first.window}
}

// String describes s for logs.
func (s *Stream) String() string {
	return fmt.Sprintf("window %d of %d, held %d (%d complete), lacks %d, lent %d", s.window, s.target, s.held, s.done(), s.need(), s.lent)
}

// Window returns what the peer may still send on s.
func (s *Stream) Window() int64 { return s.window }

// ID returns the stream's number.
func (s *Stream) ID() uint32 { return s.id }

// Unlinked reports whether no Conn refers to s.
func (s *Stream) Unlinked() bool { return s.phase != waiting }

// Held returns the bytes received that the program has not taken.
func (c *Conn) Held() int64 { return c.held }

// Waits reports whether a message waits for a window: Tick is to be called every TickEvery.
func (c *Conn) Waits() bool { return len(c.waiting) > 0 }

// Receive accounts for n bytes of flow-controlled payload. It returns false if the connection's
// window does not allow them. What is done with them does not matter: the window opens again by
// itself.
func (c *Conn) Receive(n int64) bool {
	if n > c.window {
		return false
	}
	if c.window -= n; c.window < ConnWindow/2 {
		c.cfg.Announce(0, ConnWindow-c.window)
		c.window = ConnWindow
	}
	return true
}

// ReceiveOn accounts for n bytes on s, padding included, and returns false if its window does not
// allow them.
func (c *Conn) ReceiveOn(s *Stream, n int64) bool {
	if n > s.window+c.first.slack {
		return false
	}
	s.window -= n
	s.coming = n
	used := min(n, s.unused)
	s.unused -= used
	c.unused -= used
	return true
}

// Padding notes that n bytes of what was received on s were dropped.
func (c *Conn) Padding(s *Stream, n, now int64) {
	s.coming -= n
	c.settle(s, now)
}

// Delivered notes that n bytes on s go to the program, before they do.
func (c *Conn) Delivered(s *Stream, n, now int64) {
	if s.held == 0 {
		s.began = now
	}
	s.coming -= n
	s.got += n
	s.held += n
	c.held += n
	if s.need() > 0 {
		c.ask(s, now)
		return
	}
	if s.phase == waiting || s.phase == extended {
		s.phase = fits
		c.setUnused(s, 0)
		c.serve(now) // another may be the first to wait
	}
}

// Want notes that the message being received on s lies from offset begin to end of the stream's
// data. It may come after more of the message, or all of it, was received.
func (c *Conn) Want(s *Stream, begin, end, now int64) {
	if s.phase == closed || end <= max(s.got, s.msgEnd) {
		if end == s.got && s.held <= end-begin {
			c.leave(s) // it came whole with the window that there was
		}
		return
	}
	s.msgBegin, s.msgEnd = begin, end
	c.ask(s, now)
}

// need returns what is missing of the message being received; 0: none is, or the program has not
// said.
func (s *Stream) need() int64 { return max(0, s.msgEnd-s.got) }

// done returns how much of held is in complete messages.
func (s *Stream) done() int64 {
	if s.need() == 0 {
		return s.held
	}
	return min(max(0, s.msgBegin-(s.got-s.held)), s.held)
}

// leftover is the part of Base that must be open beyond a message. Window has to be left over when
// a message is complete: peers on nghttp2 and nginx look for the end of the data only while the
// stream's window is above 0, and send neither END_STREAM nor trailers before.
const leftover = 8

// isTight reports whether the message being received needs more than the window.
func (c *Conn) isTight(s *Stream) bool {
	need := s.need()
	return need > 0 && need-s.coming+c.cfg.Base/leftover > s.window
}

// ask extends the window of s if its message needs it, now or in its turn. It does not if the
// message fits when the program has taken those before it: what has been taken and was not worth a
// frame is announced.
func (c *Conn) ask(s *Stream, now int64) {
	if s.phase == closed || s.phase == waiting || !c.isTight(s) {
		return
	}
	if s.need()+c.cfg.Base/leftover <= s.target+s.lent-(s.held-s.done()) {
		c.settle(s, now)
		return
	}
	if len(c.waiting) == 0 && c.extend(s, now) {
		return
	}
	s.phase = waiting
	c.keep(s)
	c.waiting = append(c.waiting, s)
	c.settle(s, now)
	c.serve(now)
}

// extend opens the window of s for the message it lacks and Base beyond, if there is memory for it.
// What was due and had not been announced is not lent: all that is comes back when the program has
// taken the message, and while s waits for its next one it keeps nothing that others wait for.
func (c *Conn) extend(s *Stream, now int64) bool {
	n := min(s.need()-s.coming+c.cfg.Base, MaxWindow) - s.window
	lend := max(0, n-s.due())
	if lend > 0 && !c.fitsMemory(s, lend) {
		return false
	}
	s.phase, s.asked, s.lentAt = extended, s.need(), now
	s.lent += lend
	c.lent += lend
	c.announce(s, n)
	return true
}

// due returns what may be announced again.
func (s *Stream) due() int64 { return s.target + s.lent - s.held - s.coming - s.window }

// fitsMemory reports whether n more bytes may be lent for s. When nothing is lent, one message may
// be larger than the budget. Streams whose program leaves complete messages get no more than half
// of it, and with Max of them nothing.
func (c *Conn) fitsMemory(s *Stream, n int64) bool {
	done := s.done()
	if done > c.cfg.Max || c.cfg.Unlimited {
		return done <= c.cfg.Max
	}
	most := c.budget()
	if done > s.target {
		most /= 2
	}
	used := c.lent - c.unused
	return used == 0 || used+n <= most
}

// budget is how much may be lent.
func (c *Conn) budget() int64 {
	if c.short() {
		return c.cfg.Memory
	}
	return 2 * c.cfg.Memory
}

func (c *Conn) short() bool { return c.cfg.Short != nil && c.cfg.Short() }

// serve extends the windows of those that wait, in turn. Only streams that wait for their own
// program are passed over.
func (c *Conn) serve(now int64) {
	left, stop := c.waiting[:0], false
	for _, s := range c.waiting {
		switch {
		case s.phase != waiting: // complete, or over
		case stop || !c.extend(s, now):
			left = append(left, s)
			stop = stop || s.done() <= s.target
		}
	}
	clear(c.waiting[len(left):])
	if c.waiting = left; len(left) == 0 {
		c.waiting = nil
	}
}

// Consumed notes that the program has taken, or dropped, n bytes of s.
func (c *Conn) Consumed(s *Stream, n, now int64) {
	c.held -= n
	s.held -= n
	s.began = now
	pay := min(n, s.lent)
	s.lent -= pay
	c.lent -= pay
	c.setUnused(s, min(s.unused, s.lent))
	c.settle(s, now)
	c.ask(s, now)
	if len(c.waiting) > 0 {
		c.serve(now)
	}
}

// settle announces what s may have again, if it is half of the window or the message needs it.
func (c *Conn) settle(s *Stream, now int64) {
	n := s.due()
	if s.phase == closed || n <= 0 || n < s.target/2 && !c.isTight(s) {
		return
	}
	c.announce(s, n+c.grow(s, now))
}

// grow doubles the stream's target if half of it was used within a round trip or so: the peer then
// waits for this side more than it sends. It returns what the target grew by.
func (c *Conn) grow(s *Stream, now int64) int64 {
	elapsed := now - s.halfAt
	s.halfAt = now
	add := s.target
	if s.target+add > c.cfg.Max || c.rtt == 0 || elapsed*2 > c.rtt*3 || c.grown+add > c.cfg.Memory || c.short() {
		return 0
	}
	c.wantRTT = now-c.rttAt > rttFresh
	s.target += add
	c.grown += add
	return add
}

// WantRTT reports, once each time, that a window has grown by a round trip that should be measured
// again.
func (c *Conn) WantRTT() bool {
	want := c.wantRTT
	c.wantRTT = false
	return want
}

// SampleRTT notes a measured round trip. The least of recent ones is kept: what is above it is
// somebody's queue.
func (c *Conn) SampleRTT(ns, now int64) {
	if ns <= 0 {
		return
	}
	if c.rtt == 0 || ns < c.rtt || now-c.rttAt > rttFresh {
		c.rtt = ns
	}
	c.rttAt = now
}

// Close notes that the peer sends no more on s. What s holds is still to be given to Consumed.
func (c *Conn) Close(s *Stream, now int64) {
	if s.phase == closed {
		return
	}
	s.phase, s.msgEnd = closed, 0
	c.setUnused(s, 0)
	c.grown -= s.target - c.first.window
	c.lent -= max(0, s.lent-s.held)
	s.lent = min(s.lent, s.held)
	if len(c.waiting) > 0 {
		c.serve(now)
	}
}

func (c *Conn) setUnused(s *Stream, n int64) {
	c.unused += n - s.unused
	s.unused = n
}

func (c *Conn) announce(s *Stream, n int64) {
	if n = min(n, MaxWindow-s.window); n > 0 {
		s.window += n
		c.cfg.Announce(s.id, n)
	}
}
