package h2

import "github.com/naru-rpc/naru/internal/h2/frame"

// Receive windows (RFC 9113 §5.2, §6.9).
//
// Credit comes back when the program has taken bytes, or when they were dropped; so a window is
// the memory the peer may make us hold. A stream's window starts small and doubles while the peer
// keeps running into it and the program keeps up. All streams' windows together do not grow
// beyond the connection's, so that slow readers cannot take it from the others.
//
// A message must be whole before the program can take it, which makes windows a trap: many
// half-received messages can use up the connection's window, and none of them can give anything
// back. Two rules keep the way out open:
//
//   - Want extends the windows of stream and connection by what a message lacks, while the
//     extensions of all streams stay below half the connection's window, else first come, first
//     served; one is always granted.
//   - When the connection's window is nearly used up, the oldest incomplete message gets what it
//     lacks on top (unstick). Other streams may use that first, but only as far as their own
//     windows reach: after that it can only be used by the one it is meant for.
//
// What was given on top is kept back from later credit, so that the windows return to their size.

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
	pay := min(n, c.debt)
	c.debt -= pay
	c.recvHeld += n - pay
	if c.recvHeld < int64(c.cfg.ConnWindow)/4 {
		return
	}
	c.announceConn(c.recvHeld)
	c.recvHeld = 0
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
	if s.recvWindow < s.recvTarget/8 && c.mayGrow(s) {
		c.targets += s.recvTarget
		s.recvHeld += s.recvTarget
		s.recvTarget *= 2
	}
	c.announce(s, s.recvHeld)
	s.recvHeld = 0
}

// mayGrow tells whether the stream's window may double.
func (c *Conn) mayGrow(s *Stream) bool {
	return 2*s.recvTarget <= int64(c.cfg.MaxStreamWindow) && c.targets+s.recvTarget <= int64(c.cfg.ConnWindow)
}

// repay first pays back what Want gave the stream, then refunds the rest.
func (c *Conn) repay(s *Stream, n int64) {
	pay := min(n, s.extra)
	s.extra -= pay
	c.extras -= pay
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
		c.assembling = append(c.assembling, s)
	}
	if s.need > s.recvWindow {
		if len(c.wanting) > 0 || !c.grant(s) {
			c.wanting = append(c.wanting, s)
		}
	}
	c.unstick()
}

// grant extends the windows for what s needs, unless the extensions are used up.
func (c *Conn) grant(s *Stream) bool {
	n := s.need - s.recvWindow
	if s.Closed || s.RemoteClosed || n <= 0 {
		return true // not needed any more
	}
	if c.extras > 0 && c.extras+n > int64(c.cfg.ConnWindow)/2 {
		return false
	}
	c.extend(s, n)
	return true
}

func (c *Conn) extend(s *Stream, n int64) {
	s.extra += n
	c.extras += n
	c.announce(s, n)
	c.announceConn(n)
}

// grantNext serves those who wait for an extension.
func (c *Conn) grantNext() {
	for len(c.wanting) > 0 && c.grant(c.wanting[0]) {
		c.wanting[0] = nil
		c.wanting = c.wanting[1:]
	}
	if len(c.wanting) == 0 {
		c.wanting = nil
	}
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
	for len(c.assembling) > 0 {
		s := c.assembling[0]
		if s.need > 0 && !s.Closed && !s.RemoteClosed {
			break
		}
		s.assembling = false
		c.assembling[0] = nil
		c.assembling = c.assembling[1:]
	}
	if len(c.assembling) == 0 {
		c.assembling = nil
		return // the program has whole messages to take: that frees the window
	}
	s := c.assembling[0]
	if n := s.need - s.recvWindow; n > 0 {
		c.extend(s, n)
	}
	if n := s.need - c.recvWindow; n > 0 {
		c.debt += n
		c.announceConn(n)
	}
}

// dropCredit settles what Want gave a stream that is over: the peer may have used a part of it,
// and may use the rest for others.
func (c *Conn) dropCredit(s *Stream) {
	c.targets -= s.recvTarget
	c.extras -= s.extra
	c.debt += s.extra
	s.extra, s.need = 0, 0
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
