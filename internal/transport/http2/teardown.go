package http2

import (
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport"
)

// farewellTimeout bounds the write of the final GOAWAY.
const farewellTimeout = time.Second

// teardown ends what is left: streams first, so that no call waits for the final GOAWAY.
func (c *conn) teardown() {
	c.lock()
	err, greeted := c.err, c.phase == connOpen
	c.phase = connEnded
	var open []*stream
	c.h.Streams(func(s *h2.Stream) {
		st := s.User.(*stream)
		if st.endErr == nil {
			st.endErr = c.endErrLocked(st, err)
		}
		open = append(open, st)
	})
	c.h.DropStreams()
	if c.role == h2.Client {
		c.h.TakeOut(c.h.Out[:0]) // requests that were not written are not sent any more
	}
	c.drainLocked(refusing)
	c.updateLocked()
	c.wake.orders = nil
	c.timers.stop()
	farewell := greeted && c.farewellLocked(err)
	c.mu.Unlock()
	c.counted(err)
	for _, st := range open {
		if st.sink != nil {
			st.sink.Closed(st.endErr)
		}
	}
	if c.ready != nil && c.deadline.kind == deadlinePreface {
		close(c.ready)
	}
	c.in.free()
	if farewell {
		c.flushLast()
		c.linger(err, len(open))
	}
	c.nc.Close()
	c.waitWriter()
	c.mu.Lock()
	c.freeOutLocked()
	c.mu.Unlock()
	c.finished()
}

func (c *conn) freeOutLocked() {
	c.h.TakeOut(nil)
	c.out.buf.Free()
	c.out.buf = nil
}

// finished is the last step of a connection's end.
func (c *conn) finished() {
	if c.memory != nil {
		c.memory.remove(c)
	}
	close(c.done)
	if h, ok := c.handler.(transport.ConnDoner); ok {
		h.ConnDone()
	}
}

// endErrLocked returns the error of a stream that ends with the connection. A request none of whose
// bytes were passed to the socket was not processed, whatever ended the connection.
func (c *conn) endErrLocked(st *stream, err *transport.Error) *transport.Error {
	if c.role != h2.Client || err.Unprocessed {
		return err
	}
	sent := c.out.taken // a write may be in progress
	if !c.out.busy() {
		sent = c.out.written.Load()
	}
	if st.headAt < sent {
		return err
	}
	return unprocessed(err)
}

// farewellLocked queues the GOAWAY with the reason, and reports whether there is one to send.
func (c *conn) farewellLocked(err *transport.Error) bool {
	if c.out.phase == writeDead || err.Origin == transport.OriginNetwork {
		return false
	}
	code, debug := frame.ErrCode(err.Code), ""
	if code != frame.NoError {
		debug = err.Reason
	}
	if err.Origin == transport.OriginPeer {
		code, debug = frame.NoError, ""
	}
	c.h.SendGoAway(false, code, debug)
	return true
}

// flushLast writes what is queued, or waits for the writer that does so.
func (c *conn) flushLast() {
	c.nc.SetWriteDeadline(time.Now().Add(farewellTimeout))
	c.mu.Lock()
	switch {
	case c.out.phase == writeDead:
		c.mu.Unlock()
		return
	case c.out.busy():
		c.mu.Unlock()
		giveUp := time.AfterFunc(2*farewellTimeout, func() { c.nc.Close() })
		c.waitWriter() // it takes the GOAWAY with it
		giveUp.Stop()
		return
	}
	c.out.phase = writing
	c.mu.Unlock()
	c.writeLoop(nil)
}

// waitWriter returns when no write is in progress.
func (c *conn) waitWriter() {
	c.mu.Lock()
	if !c.out.busy() {
		c.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	c.out.idle = idle
	c.mu.Unlock()
	<-idle
}
