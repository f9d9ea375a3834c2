package http2

import (
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// Flush combining. Frames are appended to the out-buffer under mu; whoever finds nobody writing
// becomes the writer and goes on until the buffer is empty, everybody else returns at once. One
// write so carries what many calls have queued. A writer that is not the goroutine writeLoop
// never blocks: it writes what the socket takes and leaves the rest to writeLoop.
//
// Combining has an end: from batchFrames on the next caller writes even though others might still
// join. The peer then works on the first part of a hundred calls while this side makes the rest;
// with one write for all of them each side would wait while the other works.

// flushMode says how eager the caller is.
type flushMode uint8

const (
	// flushNow writes at once: the reader, control frames.
	flushNow flushMode = iota
	// flushYield lets goroutines that are ready to run go first if other streams are open, so
	// that their frames join the write; while the read loop is in a batch, which wakes goroutines
	// that will send, it leaves the write to the batch's end. A busy connection writes once for
	// dozens of calls so; on a connection with one call it costs nothing, as it does not yield then.
	flushYield
	// flushLater leaves the write to a goroutine: a stream's sender is about to send more.
	flushLater
)

const (
	writeChunk   = 64 << 10 // what one write aims at
	batchFrames  = 128      // HEADERS and DATA frames that are worth a write of their own
	inlineWrites = 4        // writes a call does for others before it hands over
)

// lock takes mu and sees to a buffer that frames can be appended to.
func (c *conn) lock() {
	c.mu.Lock()
	if c.h.Out == nil {
		c.outBuf = mem.Get(max(1024, c.outHint))
		c.h.Out = c.outBuf.B
	}
}

// flushIfLocked flushes control frames the caller may have appended, unless the read loop is in
// the middle of a batch and will flush anyway. It releases mu.
func (c *conn) flushIfLocked(appended bool) {
	if !appended || c.inBatch {
		c.mu.Unlock()
		return
	}
	c.flushLocked(flushNow)
}

// flushLocked gets what is queued onto the wire, by this goroutine or another. It releases mu.
func (c *conn) flushLocked(mode flushMode) {
	enough := c.h.Sent-c.sentTaken >= batchFrames
	if c.ended || c.writeDead || !c.pendingLocked() ||
		c.flushing && !(c.yielding && enough) || mode == flushYield && c.inBatch && !enough {
		c.mu.Unlock()
		return
	}
	c.flushing, c.yielding = true, false
	if c.raw == nil && c.spill == nil || mode == flushLater {
		yield := mode == flushYield && c.h.Open() > 1
		c.mu.Unlock()
		go c.writeLater(yield)
		return
	}
	if mode == flushYield && !enough && c.h.Open() > 1 && !c.yieldLocked() {
		c.mu.Unlock()
		return
	}
	for range inlineWrites {
		w := c.takeLocked()
		if w == nil {
			return // released mu
		}
		c.mu.Unlock()
		n, err := c.tryWrite(w.B)
		c.written.Add(uint64(n))
		if err != nil {
			w.Free()
			c.writeFailed(err)
			return
		}
		if n < len(w.B) || c.spill != nil && c.spill.blocked() {
			w.B = w.B[:copy(w.B, w.B[n:])]
			go c.writeLoop(w)
			return
		}
		w.Free()
		c.mu.Lock()
	}
	c.mu.Unlock()
	go c.writeLoop(nil)
}

// yieldLocked lets other goroutines append first. It returns false if one of them, finding enough
// for a write, has taken the flush over.
func (c *conn) yieldLocked() bool {
	c.yielding = true
	c.mu.Unlock()
	runtime.Gosched()
	c.mu.Lock()
	mine := c.yielding // or that of a later flush: then its owner finds it taken
	c.yielding = false
	return mine
}

func (c *conn) pendingLocked() bool { return len(c.h.Out) > 0 || c.h.CanFill() }

// takeLocked takes the next bytes to write. If there are none it ends the flush, releases mu, and
// returns nil.
func (c *conn) takeLocked() *mem.Buf {
	if c.h.CanFill() && !c.ended {
		if c.h.Out == nil {
			c.outBuf = mem.Get(writeChunk + 1024)
			c.h.Out = c.outBuf.B
		}
		c.h.Fill(writeChunk)
		c.updateLocked()
	}
	if len(c.h.Out) == 0 {
		c.flushing = false
		if c.outBuf != nil {
			c.outBuf.Free() // an idle connection holds no buffer
			c.outBuf = nil
			c.h.TakeOut(nil)
		}
		if c.flushIdle != nil {
			close(c.flushIdle)
			c.flushIdle = nil
		}
		c.mu.Unlock()
		return nil
	}
	c.controls, c.sentTaken = 0, c.h.Sent
	w := c.outBuf
	c.outBuf = nil
	w.B = c.h.TakeOut(nil)
	c.taken += uint64(len(w.B))
	// Follow the size of writes, slowly down: the next buffer is right from the start.
	c.outHint = max(len(w.B)+len(w.B)/4, c.outHint-c.outHint/8)
	return w
}

// writeLater is the writer goroutine of a flush that its caller did not do itself.
func (c *conn) writeLater(yield bool) {
	if yield {
		runtime.Gosched()
	}
	c.writeLoop(nil)
}

// writeLoop writes first (nil: nothing yet) and then what is queued until nothing is. It may block.
func (c *conn) writeLoop(first *mem.Buf) {
	w := first
	for {
		if w == nil {
			c.mu.Lock()
			if w = c.takeLocked(); w == nil {
				return
			}
			c.mu.Unlock()
		}
		err := c.write(w.B)
		w.Free()
		w = nil
		if err != nil {
			c.writeFailed(err)
			return
		}
	}
}

// A peer that reads slowly does not stall: the limit begins anew when this much was taken within it. A connection
// that does not tell how far a write came is given pieces, each of which has to be taken within the limit.
const (
	stallProgress = 1 << 10
	stallPiece    = 64 << 10
)

// write writes all of p, waiting no longer than the stall limit for the peer to read.
func (c *conn) write(p []byte) error {
	n, err := c.tryWrite(p)
	c.written.Add(uint64(n))
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

// writeWaiting writes what the peer has to make room for.
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
		c.written.Add(uint64(n))
		p = p[n:]
		if !last && onlySlow(n, err) {
			err = nil
		}
	}
	return err
}

// onlySlow tells whether a write that ran out of time got on.
func onlySlow(n int, err error) bool {
	return n >= stallProgress && errors.Is(err, os.ErrDeadlineExceeded)
}

// writeLimit is how long a write may stall: in teardown only as long as a farewell is worth, and then once.
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
	c.flushing = false
	c.writeDead = true
	if c.flushIdle != nil {
		close(c.flushIdle)
		c.flushIdle = nil
	}
	c.mu.Unlock()
}

// readOnLocked lets the read loop come to the end of what the server has sent before it closed the connection: responses are
// often among it, and a GOAWAY that says why. The connection ends when the last stream has, or with the next fault.
func (c *conn) readOnLocked(err *transport.Error) {
	if c.err != nil {
		return
	}
	if c.drainErr == nil {
		c.drainErr = err
	}
	c.writeErr, c.drainDone = err, true
	c.drainedLocked()
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTimeout)) // as in failLocked; setReadDeadline leaves it
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
