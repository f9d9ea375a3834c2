package http2

import (
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// A peer may ask for a response and never give the window to send it. The handler has returned, so
// that nothing else would end the stream, and the response stays in memory. Such a stream is reset
// after Limits.ZeroWindow without progress, and the reset is charged.

// stallWatch is the check for such streams. conn.mu guards it.
type stallWatch struct {
	timer  *time.Timer // nil: no stream had to be watched
	at     time.Time   // when timer fires; zero: it does not run
	resets int         // resets that stallTick sent and the read loop has not charged yet
}

// watchLocked notes that a stream's sender is done while data of it still waits. answerBy is the
// call's deadline; zero: none.
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

// checkStallsLocked has stallTick run at t or earlier.
func (c *conn) checkStallsLocked(t time.Time) {
	w := &c.stall
	if !w.at.IsZero() && !t.Before(w.at) {
		return
	}
	w.at = t
	c.armLocked(&w.timer, time.Until(t), c.stallTick)
}

// waitsForSocketLocked reports whether a stream waits for the socket rather than for the peer's
// window. Limits.WriteStall bounds how slow a socket may be. The peer can open the connection's
// window only for bytes that reach it.
func (c *conn) waitsForSocketLocked(s *stream) bool {
	own, conn := c.h.Windows(&s.Stream)
	return own && (conn || c.out.busy())
}

// stallTick resets finished streams that made no progress for too long, or whose deadlines have
// passed. It runs again while any still wait.
func (c *conn) stallTick() {
	c.lock()
	c.stall.at = time.Time{}
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
		c.stall.resets++
	})
	c.updateLocked()
	c.flushAndUnlock(flushNow)
}

// errAnswerLate ends a stream whose call's deadline has passed while its response waited for the
// peer's window. The peer is not charged: a client on a slow network ends its call at the same
// time.
var errAnswerLate = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.Cancel), Token: reason.ResponseDeadline,
	Reason: "the call's deadline passed while its response waited for the peer's window",
}
