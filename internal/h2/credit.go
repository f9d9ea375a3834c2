package h2

import "github.com/naru-rpc/naru/internal/h2/frame"

// Receive windows. The connection's window is the memory the peer may make us hold: credit
// comes back only when the program has taken the bytes, or when they were dropped. A
// stream's window starts small and doubles while the peer keeps running into it and the program
// keeps up, so that a fast path fills and a slow reader holds little.

// Refund gives connection credit back for bytes that reached no stream.
func (c *Conn) Refund(n int64) {
	c.recvHeld += n
	if c.recvHeld < int64(c.cfg.ConnWindow)/4 {
		return
	}
	c.Out = frame.AppendWindowUpdate(c.Out, 0, uint32(c.recvHeld))
	c.recvWindow += c.recvHeld
	c.recvHeld = 0
}

// Consumed gives credit back for n bytes of s that the program has taken.
func (c *Conn) Consumed(s *Stream, n int64) {
	c.Refund(n)
	if s.Closed || s.RemoteClosed {
		return
	}
	// Want may have opened the window beyond its target: that part is not given again.
	s.recvHeld = min(s.recvHeld+n, max(0, s.recvTarget-s.recvWindow))
	if s.recvHeld < s.recvTarget/2 {
		return
	}
	if s.recvWindow < s.recvTarget/8 && s.recvTarget < int64(c.cfg.MaxStreamWindow) {
		s.recvHeld += s.recvTarget
		s.recvTarget *= 2
	}
	c.announce(s, s.recvHeld)
	s.recvHeld = 0
}

// Want opens the stream's window to at least n bytes: a message of that size has been accepted.
func (c *Conn) Want(s *Stream, n int64) {
	if s.Closed || s.RemoteClosed || n <= s.recvWindow {
		return
	}
	c.announce(s, min(n, maxWindow)-s.recvWindow)
}

func (c *Conn) announce(s *Stream, n int64) {
	c.Out = frame.AppendWindowUpdate(c.Out, s.ID, uint32(n))
	s.recvWindow += n
}
