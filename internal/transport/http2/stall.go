package http2

import (
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport"
)

// A peer may ask for a response and never give the window to send it. The handler has
// returned, so nobody waits and nobody would notice; the response stays in memory. Such a
// stream is reset after Limits.ZeroWindow without progress, and the reset is charged.

// backlogStreams is how many finished responses have to wait, besides their bytes, for a backlog: a few
// large ones on a slow network must not hold back the small calls beside them.
const backlogStreams = 4

// A backlogger is a ServerHandler that wants to know when more than Limits.Backlog bytes of finished
// responses wait (some), of several streams (full), and when it is half of that again. Called under the
// connection's lock.
type backlogger interface{ Backlog(some, full bool) }

// backlogLocked tells the handler when the backlog passes a mark, and the server how much it is.
func (c *conn) backlogLocked() {
	bytes := c.h.UnsentDone
	some := bytes > c.limits.Backlog || c.backlogged && bytes > c.limits.Backlog/2
	full := some && c.h.StreamsDone >= backlogStreams || c.backlogFull && some && c.h.StreamsDone > backlogStreams/2
	if !some {
		bytes = 0
	}
	if c.memory != nil && bytes != c.backlogTold {
		c.memory.unsent.Add(int64(bytes - c.backlogTold))
		c.backlogTold = bytes
	}
	if some == c.backlogged && full == c.backlogFull {
		return
	}
	c.backlogged, c.backlogFull = some, full
	if b, ok := c.handler.(backlogger); ok {
		b.Backlog(some, full)
	}
}

// Unsent returns how many bytes of finished responses wait for clients, on those connections where they are
// more than Limits.Backlog.
func (c *ServerConfig) Unsent() int64 {
	c.resolved()
	return c.memory.unsent.Load()
}

// watchLocked notes that a stream's sender is done while data of it still waits.
func (c *conn) watchLocked(s *stream) {
	s.waitSince, s.waitQueued = time.Now(), s.Queued()
	if c.stallTimer == nil {
		c.stallTimer = c.timerLocked(c.limits.ZeroWindow, c.stallTick)
	} else if !c.stallArmed {
		c.stallTimer.Reset(c.limits.ZeroWindow)
	}
	c.stallArmed = true
}

// waitsForSocketLocked tells whether it is not the peer's window that keeps a stream waiting. How slow a socket may be is
// Limits.WriteStall's to say. The peer can open the connection's window only for bytes that reach it.
func (c *conn) waitsForSocketLocked(s *stream) bool {
	own, conn := c.h.Windows(&s.Stream)
	return own && (conn || c.flushing)
}

// stallTick resets finished streams that made no progress for too long, and comes again if any
// still wait.
func (c *conn) stallTick() {
	c.lock()
	c.stallArmed = false
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	now := time.Now()
	next := time.Duration(0)
	c.h.Streams(func(hs *h2.Stream) {
		s := hs.User.(*stream)
		if s.waitSince.IsZero() || s.Queued() == 0 {
			return
		}
		if s.Queued() != s.waitQueued || c.waitsForSocketLocked(s) {
			s.waitSince, s.waitQueued = now, s.Queued()
		}
		left := c.limits.ZeroWindow - now.Sub(s.waitSince)
		if left > 0 {
			next = max(next, left)
			return
		}
		s.endErr = &transport.Error{
			Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.FlowControlError), Token: "zero_window",
			Reason: "peer gave no window for a finished response for " + c.limits.ZeroWindow.String() + " (Limits.ZeroWindow, WithLimits)",
		}
		c.h.Reset(hs, frame.FlowControlError)
		c.counted(s.endErr)
		c.owedResets++
	})
	if next > 0 {
		c.stallArmed = true
		c.stallTimer.Reset(next)
	}
	c.updateLocked()
	c.flushLocked(flushNow)
}
