package flow

import "iter"

// The first window of streams, SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.9.2), is permission that a
// peer has before anything is known of its messages. It is Initial as long as the programs of a
// connection take what comes, so that messages up to that size wait for no WINDOW_UPDATE: a proxy
// that has stopped reading, because a response waits for its own client, does not see one (HAProxy
// does not). When first windows alone make the connection hold much, it is Base, for open streams
// as well, until little is held again:
//
//	Initial ──(much is held, or memory is short)──▶ Base, and what was in flight is let in
//	   ▲                                                 │ (acknowledged: it is not any more)
//	   └──(little is held, minChange later)───────── Base
type first struct {
	window  int64 // what new streams begin with, as the last SETTINGS said
	slack   int64 // what the peer may use beyond, not having acknowledged that it is less now
	at      int64 // when it changed last
	pending bool  // the last change has not been acknowledged
}

// minChange is the least time between a smaller first window and a larger one.
const minChange = int64(5e9)

// byFirst returns what the connection holds because of first windows alone.
func (c *Conn) byFirst() int64 { return c.held - c.lent - c.grown }

// FirstWindow returns the first window that streams should have, if it is not the one they have.
// The caller sends it and calls SetFirst.
func (c *Conn) FirstWindow(streams iter.Seq[*Stream], now int64) (window int64, change bool) {
	f := &c.first
	if c.cfg.Base == c.cfg.Initial || f.pending {
		return 0, false
	}
	held := c.byFirst()
	if f.window > c.cfg.Base {
		return c.cfg.Base, held > c.cfg.Memory/2 || held > c.cfg.Base && c.short()
	}
	if held >= c.cfg.Memory/8 || now-f.at < minChange || c.short() {
		return 0, false
	}
	for s := range streams {
		if s.window > MaxWindow-c.cfg.Initial {
			return 0, false // RFC 9113 §6.9.2: a window above 2^31-1 is an error
		}
	}
	return c.cfg.Initial, true
}

// SetFirst changes the first window to one that FirstWindow returned, for the open streams as well,
// whose windows may become negative by it (RFC 9113 §6.9.2). The caller has sent SETTINGS before,
// and calls Acknowledged when the peer has acknowledged it: until then the peer may send as if
// nothing had changed (§6.9.3). Streams whose window was extended keep what they have, since their
// messages could not come whole otherwise.
func (c *Conn) SetFirst(streams iter.Seq[*Stream], window, now int64) {
	d := window - c.first.window
	c.first = first{window: window, slack: max(0, -d), at: now, pending: true}
	for s := range streams {
		switch {
		case s.phase == closed:
		case d < 0 && s.phase == extended:
			c.grown -= d
			c.cfg.Announce(s.id, -d)
		default:
			s.target += d
			s.window += d
			c.topUp(s)
			c.ask(s, now)
		}
	}
}

// topUp gives s what is open of Base for new streams, beyond what it holds. A proxy has as much of
// a stream waiting in its own buffers, whose peer shares a window with those of other streams: what
// it cannot pass on stops them.
func (c *Conn) topUp(s *Stream) {
	n := c.cfg.Base - s.window
	if s.phase == closed || s.phase == extended || n <= 0 {
		return
	}
	more := max(0, n-s.due())
	s.target += more
	c.grown += more
	c.announce(s, n)
}

// leave lends s what has to be left over of its window behind a message of which the program had
// not said where it ends: the peer may look for the end of the stream only then.
func (c *Conn) leave(s *Stream) {
	n := c.cfg.Base/leftover - s.window
	if s.phase == closed || s.need() > 0 || n <= 0 {
		return
	}
	lend := max(0, n-s.due())
	s.lent += lend
	c.lent += lend
	c.announce(s, n)
}

// keep makes what was lent to s, before it was known that a message that needs more had begun, its
// own: a message that waits has nothing that others wait for.
func (c *Conn) keep(s *Stream) {
	if d := s.lent - s.done(); d > 0 {
		s.lent -= d
		c.lent -= d
		s.target += d
		c.grown += d
	}
}

// Acknowledged notes that the peer goes by the last change of the first window.
func (c *Conn) Acknowledged(streams iter.Seq[*Stream]) {
	if c.first.slack > 0 {
		for s := range streams {
			c.topUp(s) // what was in flight may have used it
		}
	}
	c.first.pending, c.first.slack = false, 0
}

// Overfull reports whether the connection holds more than it may, extensions aside: as if first
// windows had been Base all the time, what windows may have grown by, and as much again for what
// was in flight when Base came into force. A peer that goes by what it is told does not come near.
func (c *Conn) Overfull() bool { return c.cfg.Base < c.cfg.Initial && c.held-c.lent > c.most() }

func (c *Conn) most() int64 { return c.cfg.Streams*c.cfg.Base + 2*c.cfg.Memory }

// Excess returns the streams that are to be ended because the connection is Overfull, the slowest
// first.
func (c *Conn) Excess(streams iter.Seq[*Stream], now int64) (end []*Stream) {
	var (
		all     []*Stream
		holders []Holder
	)
	for s := range streams {
		if s.held > s.lent {
			all, holders = append(all, s), append(holders, s.Holder(now))
		}
	}
	free := c.held - c.lent - c.most()/10*9
	for _, i := range Slowest(holders) {
		if free <= 0 {
			break
		}
		free -= all[i].held - all[i].lent
		end = append(end, all[i])
	}
	return end
}
