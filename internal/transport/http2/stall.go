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
		if s.Queued() != s.waitQueued {
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
