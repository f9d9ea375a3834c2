package http2

import (
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// drain is how far the connection is on its way to an end in good order. conn.mu guards it.
type drain struct {
	phase drainPhase
	err   *transport.Error // why this side drains; nil: it does not, or its stream ids are nearly spent
}

// A drainPhase goes one way, from any phase to any below:
//
//	accepting    new streams
//	refusing     none: the peer sent GOAWAY, or the connection is about to end
//	announced    a server has sent GOAWAY with the highest id and a ping
//	final        the connection closes when its last stream ends: a server has sent GOAWAY with the last id it
//	             accepted, which the answer to the ping brings about, or drainTimeout, or a flood
type drainPhase uint8

const (
	accepting drainPhase = iota
	refusing
	announced
	final
)

// drainLocked enters a phase, unless the connection is beyond it. From then on the connection takes
// no new streams.
func (c *conn) drainLocked(to drainPhase) {
	if c.drain.phase == accepting {
		close(c.draining)
		c.slots.close()
	}
	c.drain.phase = max(c.drain.phase, to)
}

// drainedLocked reports whether the connection is to close, once it has no stream.
func (c *conn) drainedLocked() bool {
	return c.drain.phase == final || c.drain.phase != accepting && c.role == h2.Client && c.h.GoingAway()
}

// drainReasonLocked returns why a connection takes no new streams that has not failed.
func (c *conn) drainReasonLocked() *transport.Error {
	if code, debug, ok := c.h.PeerGoAway(); ok {
		return goAwayError(code, debug)
	}
	if c.drain.err != nil {
		return c.drain.err
	}
	return &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginUser, Code: uint32(frame.NoError),
		Token: reason.IDsSpent, Reason: "stream ids of the connection are nearly spent", Unprocessed: true,
	}
}

// Drain implements transport.ClientConn.
func (c *ClientConn) Drain(text string) {
	c.lock()
	defer c.mu.Unlock()
	if c.drain.phase != accepting {
		return
	}
	c.drain.err = &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginUser, Code: uint32(frame.NoError), Token: reason.Drained, Reason: text, Unprocessed: true,
	}
	c.drainLocked(final)
	c.updateLocked()
}

// Drain ends the connection without losing a call (RFC 9113 §6.8): GOAWAY with the highest id
// and a ping; when the answer shows that the client knows, GOAWAY with the last id that came;
// and the close when the last stream has ended.
func (c *ServerConn) Drain(text string) { c.startDrain(reason.Drained, text, 0) }

// drainTimeout is how long a client may take to answer the ping.
const drainTimeout = 5 * time.Second

// startDrain drains. grace, if not 0, is after how long the connection is closed whatever still
// runs.
func (c *ServerConn) startDrain(token reason.Code, text string, grace time.Duration) {
	c.lock()
	if c.drain.phase != accepting {
		c.mu.Unlock()
		return
	}
	err := &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginUser, Code: uint32(frame.NoError), Token: token, Reason: text,
	}
	c.drain.err = err
	if c.phase != connOpen {
		c.failLocked(err)
		c.mu.Unlock()
		return
	}
	c.drainLocked(announced)
	c.h.SendGoAway(true, frame.NoError, text)
	c.h.Out = frame.AppendPing(c.h.Out, false, drainData)
	c.timerLocked(drainTimeout, c.finishDrain)
	if grace > 0 {
		c.timerLocked(grace, func() {
			c.mu.Lock()
			c.failLocked(c.drain.err)
			c.mu.Unlock()
		})
	}
	c.flushAndUnlock(flushNow)
}

// finishDrain sends the final GOAWAY, if it was announced.
func (c *conn) finishDrain() {
	c.lock()
	if c.err != nil || c.drain.phase != announced {
		c.mu.Unlock()
		return
	}
	c.h.SendGoAway(false, frame.NoError, c.drain.err.Reason)
	c.drainLocked(final)
	c.updateLocked()
	c.flushAndUnlock(flushNow)
}

// drainFloodLocked sends the final GOAWAY with err. What the peer opens from here on is ignored
// (RFC 9113 §6.8).
func (c *conn) drainFloodLocked(err *transport.Error) {
	if c.err != nil || c.drain.phase == final {
		return
	}
	c.drain.err = err
	c.drainLocked(final)
	c.h.SendGoAway(false, frame.ErrCode(err.Code), err.Reason)
	c.updateLocked()
}
