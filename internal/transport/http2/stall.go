package http2

import (
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// A peer may ask for a response and never give the window to send it. The handler has
// returned, so nobody waits and nobody would notice; the response stays in memory. Such a
// stream is reset after Limits.ZeroWindow without progress, and the reset is charged.

// backlogStreams is how many finished responses have to wait, besides their bytes, for a backlog: a few
// large ones on a slow network must not hold back the small calls beside them.
const backlogStreams = 4

// backlogLocked tells the handler when finished responses pile up because the peer does not take them, and when
// half of them is gone.
func (c *conn) backlogLocked() {
	bytes, streams := c.h.Unsent.DoneBytes, c.h.Unsent.DoneStreams
	full := bytes > c.limits.Backlog && streams >= backlogStreams ||
		c.backlogged && bytes > c.limits.Backlog/2 && streams > backlogStreams/2
	if full == c.backlogged {
		return
	}
	c.backlogged = full
	if b, ok := c.handler.(transport.Backlogger); ok {
		b.Backlog(full)
	}
}

// watchLocked notes that a stream's sender is done while data of it still waits. answerBy: until when anyone waits for it.
func (c *conn) watchLocked(s *stream, answerBy time.Time) {
	now := time.Now()
	s.waitSince, s.waitQueued = now, s.Queued()
	s.answerBy = answerBy
	left := c.limits.ZeroWindow
	if !answerBy.IsZero() {
		left = min(left, max(answerBy.Sub(now), 0))
	}
	c.checkStallsLocked(now.Add(left))
}

// checkStallsLocked has stallTick run at t, or earlier.
func (c *conn) checkStallsLocked(t time.Time) {
	if !c.stallAt.IsZero() && !t.Before(c.stallAt) {
		return
	}
	c.stallAt = t
	if d := time.Until(t); c.stallTimer == nil {
		c.stallTimer = c.timerLocked(d, c.stallTick)
	} else {
		c.stallTimer.Reset(d)
	}
}

// waitsForSocketLocked tells whether it is not the peer's window that keeps a stream waiting. How slow a socket may be is
// Limits.WriteStall's to say. The peer can open the connection's window only for bytes that reach it.
func (c *conn) waitsForSocketLocked(s *stream) bool {
	own, conn := c.h.Windows(&s.Stream)
	return own && (conn || c.out.busy())
}

// stallTick resets finished streams that made no progress for too long, or that nobody waits for, and comes again
// if any still wait.
func (c *conn) stallTick() {
	c.lock()
	c.stallAt = time.Time{}
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	now := time.Now()
	c.h.Streams(func(hs *h2.Stream) {
		s := hs.User.(*stream)
		if s.waitSince.IsZero() || s.Queued() == 0 {
			return
		}
		if !s.answerBy.IsZero() && !now.Before(s.answerBy) {
			s.endErr = errAnswerLate
			c.h.Reset(hs, frame.Cancel)
			c.counted(s.endErr)
			return
		}
		if s.Queued() != s.waitQueued || c.waitsForSocketLocked(s) {
			s.waitSince, s.waitQueued = now, s.Queued()
		}
		next := s.waitSince.Add(c.limits.ZeroWindow)
		if now.Before(next) {
			if !s.answerBy.IsZero() && s.answerBy.Before(next) {
				next = s.answerBy
			}
			c.checkStallsLocked(next)
			return
		}
		s.endErr = &transport.Error{
			Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.FlowControlError), Token: reason.ZeroWindow,
			Reason: "peer gave no window for a finished response for " + c.limits.ZeroWindow.String() + " (Limits.ZeroWindow, WithLimits)",
		}
		c.h.Reset(hs, frame.FlowControlError)
		c.counted(s.endErr)
		c.owedResets++
	})
	c.updateLocked()
	c.flushAndUnlock(flushNow)
}

// errAnswerLate ends a stream whose call's deadline has passed while its response waited for the peer's window.
// The peer is not charged: a client on a slow network ends its call at the same time.
var errAnswerLate = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.Cancel), Token: reason.ResponseDeadline,
	Reason: "the call's deadline passed while its response waited for the peer's window",
}
