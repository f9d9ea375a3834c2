package http2

import (
	"errors"
	"os"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// A peer that reads slowly does not stall: the limit begins anew when this much was taken within
// it. A connection that does not tell how far a write came is given pieces, each of which has to be
// taken within the limit.
const (
	stallProgress = 1 << 10
	stallPiece    = 64 << 10
)

// write writes all of p, waiting no longer than the stall limit for the peer to read.
func (c *conn) write(p []byte) error {
	n, err := c.tryWrite(p)
	c.out.written.Add(uint64(n))
	if err != nil {
		return err
	}
	if p = p[n:]; len(p) > 0 {
		err = c.writeWaiting(p)
	}
	if err == nil && c.spill != nil {
		err = c.spill.drain(c.writeLimit)
	}
	return err
}

// writeWaiting writes what the socket does not take at once.
func (c *conn) writeWaiting(p []byte) (err error) {
	defer c.nc.SetWriteDeadline(time.Time{})
	for err == nil && len(p) > 0 {
		part := p
		if c.raw == nil {
			part = p[:min(len(p), stallPiece)]
		}
		limit, last := c.writeLimit()
		c.nc.SetWriteDeadline(time.Now().Add(limit))
		var n int
		n, err = c.nc.Write(part)
		c.out.written.Add(uint64(n))
		p = p[n:]
		if !last && onlySlow(n, err) {
			err = nil
		}
	}
	return err
}

// onlySlow reports whether a write that ran out of time made progress.
func onlySlow(n int, err error) bool {
	return n >= stallProgress && errors.Is(err, os.ErrDeadlineExceeded)
}

// writeLimit is how long a write may stall: in teardown farewellTimeout, and only once.
func (c *conn) writeLimit() (limit time.Duration, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return farewellTimeout, true
	}
	return c.limits.WriteStall, false
}

// writeFailed ends the connection over a write error and the flush with it.
func (c *conn) writeFailed(err error) {
	c.mu.Lock()
	e := &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Code: uint32(frame.InternalError),
		Token: reason.Write, Reason: "writing to the peer failed", Cause: err,
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Origin, e.Token = transport.OriginLocal, reason.WriteStall
		e.Reason = "peer did not read for " + c.limits.WriteStall.String() + " (Limits.WriteStall, WithLimits)"
	}
	if c.role == h2.Client && e.Origin == transport.OriginNetwork {
		c.readOnLocked(e)
	} else {
		c.failLocked(e)
	}
	c.out.end(writeDead)
	c.mu.Unlock()
}

// readOnLocked lets the read loop come to the end of what the server has sent before it closed the
// connection: responses are often among it, and a GOAWAY that says why. The connection ends when
// the last stream has, or with the next fault.
func (c *conn) readOnLocked(err *transport.Error) {
	if c.err != nil {
		return
	}
	if c.drain.err == nil {
		c.drain.err = err
	}
	c.wake.writeErr = err
	c.drainLocked(final)
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTimeout)) // as in wakeReaderLocked; setReadDeadline leaves it
}

// tryWrite writes what can be written without blocking.
func (c *conn) tryWrite(p []byte) (int, error) {
	if c.spill != nil {
		n, err := c.nc.Write(p) // through TLS into spill, which does not block
		if err != nil {
			n = len(p) // how much of it left in encrypted form is not known
		}
		return n, err
	}
	if c.raw == nil {
		return 0, nil
	}
	return writeRaw(c.raw, p)
}
