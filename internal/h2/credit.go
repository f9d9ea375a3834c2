package h2

import "github.com/naru-rpc/naru/internal/h2/frame"

// Receive windows (RFC 9113 §5.2, §6.9).
//
// Credit comes back when the program has taken bytes, or when they were dropped; so a window is
// the memory the peer may make us hold. A stream's window starts small and doubles while the peer
// empties it within about a round trip, so that it follows the bandwidth-delay product: a larger
// one would only fill queues in which the next small message then waits. All streams' windows
// together do not grow beyond the connection's.
//
// A message must be whole before the program can take it, which makes windows a trap: many
// half-received messages can use up the connection's window, and none of them can give anything
// back. A server's connection starts with a window of its own, Config.FirstConnWindow, and doubles it
// up to ConnWindow while the program takes what comes as fast as round trips let it come: peers that
// only begin messages, or send more than is taken, do not earn the memory of others.
//
// Two rules keep the way out open:
//
//   - Want extends the windows of stream and connection by what a message lacks, as long as the
//     extensions of all streams stay below half the connection's window, else first come, first
//     served; the oldest incomplete message is never refused.
//   - When the connection's window is nearly used up, the oldest incomplete message gets what it
//     lacks on top (unstick). Other streams may use that first, but only as far as their own
//     windows reach: after that it can only be used by the one it is meant for.
//
// What was given on top is kept back from later credit, so that the windows return to their size.
// On a server both kinds come out of a budget that all connections share: see memory.go.

// stuckWindow is the connection window below which a peer may hold back whole frames.
const stuckWindow = maxDataFrame

// connReserve is what a client's connection window leaves beyond the windows of its streams.
const connReserve = 1 << 20

// fitStreams keeps a client's connection window larger than the windows of its streams together:
// so streams that nobody reads cannot stop the others. How many streams there are is the
// program's choice here; a server keeps to its window, which is why its streams are limited.
func (c *Conn) fitStreams() {
	if c.cfg.Role != Client {
		return
	}
	switch need := max(int64(c.cfg.ConnWindow), c.targets+connReserve); {
	case need > c.capacity:
		add := need - c.capacity + connReserve // not one frame for each stream
		c.capacity += add
		c.announceConn(add)
	case c.capacity > need+3*connReserve:
		c.debt += c.capacity - need - connReserve
		c.capacity = need + connReserve
	}
}

// Refund gives connection credit back for bytes that reached no stream.
func (c *Conn) Refund(n int64) {
	c.moved += uint32(n)
	c.held -= n
	pay := min(n, c.debt)
	c.debt -= pay
	c.settleBudget()
	c.recvHeld += n - pay
	c.earn(n - pay)
	if c.recvHeld < c.connTarget/4 {
		return
	}
	c.announceConn(c.recvHeld)
	c.recvHeld = 0
}

// earn grows the connection's window as grow does a stream's: when half of it was taken by the program
// within a round trip or so. It also grows while the program takes messages and others wait for an
// extension.
func (c *Conn) earn(n int64) {
	if c.earned += n; c.earned < c.connTarget/2 {
		return
	}
	elapsed := c.Now - c.connHalfAt
	c.connHalfAt, c.earned = c.Now, 0
	if len(c.wanting) > 0 || c.rtt != 0 && elapsed*2 <= c.rtt*3 {
		c.growConn()
	}
}

// growConn doubles what the connection's window aims at, up to the limit.
func (c *Conn) growConn() {
	if c.cfg.Budget != nil && !c.cfg.Budget.Roomy() {
		return
	}
	if add := min(c.connTarget, int64(c.cfg.ConnWindow)-c.connTarget); add > 0 {
		c.recvHeld += add
		c.connTarget += add
	}
}

// Consumed gives credit back for n bytes of s that the program has taken.
func (c *Conn) Consumed(s *Stream, n int64) {
	if s.Closed || s.RemoteClosed {
		c.repay(s, n)
		return
	}
	c.repay(s, n)
	// Want may have opened the window beyond its target: that part is not given again.
	s.recvHeld = min(s.recvHeld+n, max(0, s.recvTarget-s.recvWindow))
	if s.recvHeld < s.recvTarget/2 {
		return
	}
	c.grow(s)
	c.announce(s, s.recvHeld+s.grown)
	s.grown = 0
	s.recvHeld = 0
}

// grow doubles the stream's window if half of it was used within a round trip or so: the peer
// then waits for us more than it sends. It is called once for each half window.
func (c *Conn) grow(s *Stream) {
	elapsed := c.Now - s.halfAt
	s.halfAt = c.Now
	if 2*s.recvTarget > int64(c.cfg.MaxStreamWindow) || c.rtt == 0 || elapsed*2 > c.rtt*3 {
		return
	}
	if c.targets+s.recvTarget > c.connTarget {
		c.growConn() // a stream that needs more than the connection has, and keeps up
	}
	if c.targets+s.recvTarget > c.connTarget {
		return
	}
	if c.Now-c.rttAt > rttFresh {
		c.WantPing = true // grow on a figure that is not too old
	}
	c.targets += s.recvTarget
	s.grown += s.recvTarget
	s.recvTarget *= 2
}

// rttFresh is how long a measured round trip is trusted before another ping is worth it.
const rttFresh = int64(10e9)

// SampleRTT notes a measured round trip. The least of recent ones is kept: what is above it is
// somebody's queue.
func (c *Conn) SampleRTT(ns int64) {
	if ns <= 0 {
		return
	}
	if c.rtt == 0 || ns < c.rtt || c.Now-c.rttAt > rttFresh {
		c.rtt = ns
	}
	c.rttAt = c.Now
}

// repay first pays back what Want gave the stream, then refunds the rest.
func (c *Conn) repay(s *Stream, n int64) {
	pay := min(n, s.extra)
	s.extra -= pay
	c.extras -= pay
	c.setWhole(s, min(s.whole, s.extra))
	c.settleBudget()
	c.moved += uint32(pay)
	c.held -= pay
	if c.earned += pay; s.Cut {
		c.earned -= n
	}
	c.Refund(n - pay)
	if pay > 0 {
		c.grantNext()
	}
}

// Want tells that a message of n more bytes is accepted and awaited on s.
func (c *Conn) Want(s *Stream, n int64) {
	if s.Closed || s.RemoteClosed || n <= 0 {
		return
	}
	s.need = min(n, maxWindow)
	if !s.assembling {
		s.assembling = true
		c.assembling = append(c.compact(c.assembling, func(s *Stream) { s.assembling = false }), s)
	}
	c.ahead(s)
	c.unstick()
}

// compact drops streams whose message has come, or which have ended, once there may be as many of them as of
// others: a list from which only the first are taken would keep all that ever were in it.
func (c *Conn) compact(list []*Stream, out func(*Stream)) []*Stream {
	if len(list) < 2*len(c.streams)+16 {
		return list
	}
	n := 0
	for _, s := range list {
		if s.need > 0 && !s.Closed && !s.RemoteClosed {
			list[n] = s
			n++
			continue
		}
		out(s)
	}
	clear(list[n:])
	return list[:n]
}

// ahead extends the windows for the message being received if it does not fit them.
func (c *Conn) ahead(s *Stream) {
	if s.need <= s.recvWindow || s.waiting {
		return
	}
	if len(c.wanting) > 0 || !c.grant(s) {
		s.waiting = true
		c.wanting = append(c.compact(c.wanting, func(s *Stream) { s.waiting = false }), s)
		c.hungry()
	}
}

// freeExtras is what a connection's extensions may come to however small its window is: a proxy that merges uploads has no
// room for the oldest of them if the others wait.
const freeExtras = 1 << 20

// grant extends the windows for what s needs, unless the extensions are used up. The oldest
// message is never refused: it is the one that will free them.
func (c *Conn) grant(s *Stream) bool {
	n := s.need - s.recvWindow
	if s.Closed || s.RemoteClosed || n <= 0 {
		return true // not needed any more
	}
	most := max(c.connTarget/2, freeExtras)
	if c.extrasRaised {
		most = max(most, int64(c.cfg.ConnWindow))
	}
	if c.extras+n > most && c.oldest() != s || !c.reserve(n) {
		return false
	}
	c.extend(s, n)
	return true
}

// oldest returns the stream whose message has been incomplete for longest, nil if none is.
func (c *Conn) oldest() *Stream {
	for len(c.assembling) > 0 {
		s := c.assembling[0]
		if s.need > 0 && !s.Closed && !s.RemoteClosed {
			return s
		}
		s.assembling = false
		c.assembling[0] = nil
		c.assembling = c.assembling[1:]
	}
	c.assembling = nil
	return nil
}

func (c *Conn) extend(s *Stream, n int64) {
	s.extra += n
	c.extras += n
	c.announce(s, n)
	c.announceConn(n)
}

// grantNext serves those who wait for an extension, the oldest message before all.
func (c *Conn) grantNext() {
	if len(c.wanting) == 0 {
		c.extrasRaised = false
		return
	}
	if s := c.oldest(); s != nil && s.waiting {
		c.grant(s)
	}
	for c.grantFirst() {
	}
}

// grantFirst serves the stream that has waited longest.
func (c *Conn) grantFirst() bool {
	if len(c.wanting) == 0 || !c.grant(c.wanting[0]) {
		return false
	}
	c.wanting[0].waiting = false
	c.wanting[0] = nil
	if c.wanting = c.wanting[1:]; len(c.wanting) == 0 {
		c.wanting = nil
	}
	return true
}

// unstick gives the oldest incomplete message what it lacks if the connection's window is nearly
// used up.
func (c *Conn) unstick() {
	if c.recvWindow >= stuckWindow {
		return
	}
	if c.recvHeld > 0 { // the simplest remedy
		c.announceConn(c.recvHeld)
		c.recvHeld = 0
		if c.recvWindow >= stuckWindow {
			return
		}
	}
	s := c.oldest()
	if s == nil {
		return // the program has whole messages to take: that frees the window
	}
	if n := s.need - s.recvWindow; n > 0 {
		if !c.reserve(n) {
			c.hungry()
			return
		}
		c.extend(s, n)
	}
	if n := s.need - c.recvWindow; n > 0 {
		if !c.reserve(n) {
			c.hungry()
			return
		}
		c.debt += n
		c.announceConn(n)
	}
}

// dropCredit settles what Want gave a stream that is over: the peer may have used a part of it,
// and may use the rest for others.
func (c *Conn) dropCredit(s *Stream) {
	c.targets -= s.recvTarget
	c.setWhole(s, 0)
	c.extras -= s.extra
	c.debt += s.extra
	s.extra, s.need = 0, 0
	c.settleBudget() // now as debt
	c.fitStreams()
	c.grantNext()
}

func (c *Conn) announce(s *Stream, n int64) {
	c.Out = frame.AppendWindowUpdate(c.Out, s.ID, uint32(n))
	s.recvWindow += n
}

func (c *Conn) announceConn(n int64) {
	n = min(n, maxWindow-c.recvWindow)
	if n <= 0 {
		return
	}
	c.Out = frame.AppendWindowUpdate(c.Out, 0, uint32(n))
	c.recvWindow += n
}
