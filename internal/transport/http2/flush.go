package http2

import (
	"runtime"
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/mem"
)

// Write coalescing. Frames are appended to the out-buffer under mu. A caller that finds no write in
// progress becomes the writer and continues until the buffer is empty; every other caller returns
// at once. One write so carries what many calls have queued. A writer that is not the goroutine
// writeLoop never blocks: it writes what the socket takes and leaves the rest to writeLoop.
//
// Coalescing has an end: from batchFrames on the next caller writes even though others might still
// join. The peer then works on the first part of a hundred calls while this side makes the rest;
// with one write for all of them each side would wait while the other works.

// output is the writing side of a connection. All of it but written is guarded by conn.mu.
type output struct {
	phase     writePhase
	buf       *mem.Buf      // what h.Out is in; nil while there is nothing to write
	hint      int           // size of recent writes
	sentTaken uint64        // h.Sent when Out was last taken for a write
	taken     uint64        // bytes of Out handed to writes so far
	controls  int           // acknowledgments queued since Out was last taken
	idle      chan struct{} // closed when the write in progress ends; made by waitWriter

	written atomic.Uint64 // bytes that writes have sent, or more with TLS
}

// A writePhase is what the connection's writer does:
//
//	idle ──(flush)──▶ writing ◀──▶ yielding
//	 ▲                 │    │
//	 └──(all written)──┘    └──(a write failed)──▶ dead
//
// From yielding, another goroutine may become the writer in place of the one that yields.
type writePhase uint8

const (
	writeIdle writePhase = iota // there is no writer
	writing
	yielding  // the writer lets other goroutines append first
	writeDead // nothing more can be sent
)

// busy reports whether there is a writer.
func (o *output) busy() bool { return o.phase == writing || o.phase == yielding }

// end is the end of a write.
func (o *output) end(to writePhase) {
	o.phase = to
	if o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}

// flushMode is how urgent a flush is.
type flushMode uint8

const (
	// flushNow writes at once: the reader, control frames.
	flushNow flushMode = iota
	// flushYield lets goroutines that are ready to run go first if other streams are open, so that
	// their frames join the write; while the read loop is in a batch, which wakes goroutines that
	// will send, it leaves the write to the batch's end. A busy connection writes once for dozens
	// of calls so; on a connection with one call it costs nothing, as it does not yield then.
	flushYield
	// flushLater leaves the write to a goroutine: a stream's sender is about to send more.
	flushLater
)

const (
	writeChunk   = 64 << 10 // what one write aims at
	batchFrames  = 128      // HEADERS and DATA frames that are worth a write of their own
	inlineWrites = 4        // writes a call does for others before it hands over
)

// lock takes mu and makes sure that there is a buffer to append frames to.
func (c *conn) lock() {
	c.mu.Lock()
	if c.h.Out == nil {
		c.out.buf = mem.Get(max(1024, c.out.hint))
		c.h.Out = c.out.buf.B
	}
}

// flushIfAndUnlock flushes control frames the caller may have appended, unless the read loop is in
// the middle of a batch and will flush anyway. The caller holds mu, which it releases.
func (c *conn) flushIfAndUnlock(appended bool) {
	if !appended || c.inBatch {
		c.mu.Unlock()
		return
	}
	c.flushAndUnlock(flushNow)
}

// flushAndUnlock writes what is queued, on this goroutine or another. The caller holds mu, which it
// releases.
func (c *conn) flushAndUnlock(mode flushMode) {
	enough := c.h.Sent-c.out.sentTaken >= batchFrames
	if c.phase == connEnded || !c.mayWriteLocked(enough) || mode == flushYield && c.inBatch && !enough {
		c.mu.Unlock()
		return
	}
	c.out.phase = writing
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
		c.mu.Unlock()
		if w == nil {
			return
		}
		n, err := c.tryWrite(w.B)
		c.out.written.Add(uint64(n))
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

// mayWriteLocked reports whether there is something to write and the caller can become the writer.
// enough: there is enough for a write of its own.
func (c *conn) mayWriteLocked(enough bool) bool {
	free := c.out.phase == writeIdle || c.out.phase == yielding && enough
	return free && (len(c.h.Out) > 0 || c.h.CanFill())
}

// yieldLocked lets other goroutines append first: it releases mu meanwhile. It returns false if one
// of them, finding enough for a write, has become the writer.
func (c *conn) yieldLocked() bool {
	c.out.phase = yielding
	c.mu.Unlock()
	runtime.Gosched()
	c.mu.Lock()
	if c.out.phase != yielding { // if that is of a later writer, it is the one that finds the phase changed
		return false
	}
	c.out.phase = writing
	return true
}

// takeLocked takes the next bytes to write. If there are none it ends the write and returns nil.
func (c *conn) takeLocked() *mem.Buf {
	if c.h.CanFill() && c.phase != connEnded {
		if c.h.Out == nil {
			c.out.buf = mem.Get(writeChunk + 1024)
			c.h.Out = c.out.buf.B
		}
		c.h.Fill(writeChunk)
		c.updateLocked()
	}
	if len(c.h.Out) == 0 {
		if c.out.buf != nil {
			c.out.buf.Free() // an idle connection holds no buffer
			c.out.buf = nil
			c.h.TakeOut(nil)
		}
		c.out.end(writeIdle)
		return nil
	}
	c.out.controls, c.out.sentTaken = 0, c.h.Sent
	w := c.out.buf
	c.out.buf = nil
	w.B = c.h.TakeOut(nil)
	c.out.taken += uint64(len(w.B))
	// Follow the size of writes, slowly down: the next buffer is right from the start.
	c.out.hint = max(len(w.B)+len(w.B)/4, c.out.hint-c.out.hint/8)
	return w
}

// writeLater is the writer's goroutine of a flush whose caller did not write itself.
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
			w = c.takeLocked()
			c.mu.Unlock()
			if w == nil {
				return
			}
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
