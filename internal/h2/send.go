package h2

import (
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/mem"
)

// indexed reports whether a field is worth a place in the header table: those whose value is the
// same call after call. The table is never made to evict (see hpack.Encoder), so what
// stands in it keeps its index.
func indexed(name string) bool {
	switch name {
	case ":status", ":method", ":scheme", ":path", ":authority", "content-type", "te", "user-agent",
		"grpc-status", "grpc-encoding", "grpc-accept-encoding", "server":
		return true
	}
	return false
}

// beginHeaders leaves space for a frame header and returns its offset in Out.
func (c *Conn) beginHeaders() int {
	off := len(c.Out)
	c.Out = c.enc.BeginBlock(frame.ReserveHeaders(c.Out))
	return off
}

func (c *Conn) field(name, value string) {
	c.Out = c.enc.AppendField(c.Out, hpack.Field{Name: name, Value: value}, indexed(name))
}

func (c *Conn) fields(fields []hpack.Field) {
	for i := range fields {
		c.Out = c.enc.AppendField(c.Out, fields[i], indexed(fields[i].Name))
	}
}

// endHeaders completes the HEADERS frame begun at off, continued in CONTINUATION frames if the
// block is longer than the peer's maximum frame size.
func (c *Conn) endHeaders(off int, id uint32, end bool) {
	c.Sent++
	c.Out = frame.FinishHeaders(c.Out, off, id, end, c.peer.maxFrame)
}

// SendRequestHead opens s with a request head (a client).
func (c *Conn) SendRequestHead(s *Stream, method, scheme, authority, path string, fields []hpack.Field, end bool) {
	off := c.beginHeaders()
	c.field(":method", method)
	c.field(":scheme", scheme)
	c.field(":path", path)
	c.field(":authority", authority)
	c.fields(fields)
	c.endHeaders(off, s.ID, end)
	if end {
		s.endQueued, s.LocalClosed = true, true
	}
}

// SendResponseHead queues a response head. end makes it the whole response (trailers-only).
func (c *Conn) SendResponseHead(s *Stream, status string, fields []hpack.Field, end bool) {
	off := c.beginHeaders()
	c.field(":status", status)
	c.fields(fields)
	c.endHeaders(off, s.ID, end)
	if end {
		s.endQueued = true
		c.localEnd(s)
	}
}

// Send queues body (nil: none) and, if end is set, the end of our half, with trailers if there
// are any. It takes ownership of body. What the windows and the out-buffer permit goes to
// Out at once.
func (c *Conn) Send(s *Stream, body *mem.Buf, end bool, trailers []hpack.Field) {
	if body != nil && len(body.B) == 0 {
		body.Free()
		body = nil
	}
	if s.queued == 0 && !s.ready {
		// An end alone needs no window, and waits for no stream that does (RFC 9113 §6.9.1).
		n := 0
		if body != nil {
			n = len(body.B)
		}
		if n == 0 || n <= maxDataFrame && int64(n) <= min(s.sendWindow, c.sendWindow) && len(c.Out) < OutHighWater {
			c.sendNow(s, body, end, trailers)
			return
		}
	}
	if body != nil {
		c.Unsent.Bytes += len(body.B)
		s.push(body)
	}
	if end {
		s.endQueued = true
		if s.queued > 0 {
			c.Unsent.DoneBytes += s.queued
			c.Unsent.DoneStreams++
		}
		if len(trailers) > 0 {
			s.trailers = append([]hpack.Field(nil), trailers...) // lent to us
		}
	}
	c.readyOrHeld(s)
}

// sendNow is the common case: everything fits.
func (c *Conn) sendNow(s *Stream, body *mem.Buf, end bool, trailers []hpack.Field) {
	if end {
		s.endQueued, s.trailers = true, trailers
	}
	if body != nil {
		c.appendData(s, body.B, end && len(trailers) == 0)
		body.Free()
	}
	if end {
		c.finish(s, body != nil && len(trailers) == 0)
	}
}

// finish ends our half, which may remove the stream: with trailers, or an empty DATA frame with
// END_STREAM unless the last DATA frame had it (said).
func (c *Conn) finish(s *Stream, said bool) {
	switch {
	case len(s.trailers) > 0:
		off := c.beginHeaders()
		c.fields(s.trailers)
		s.trailers = nil
		c.endHeaders(off, s.ID, true)
	case !said:
		c.appendData(s, nil, true)
	}
	c.localEnd(s)
}

// localEnd notes that END_STREAM is on its way.
func (c *Conn) localEnd(s *Stream) {
	s.LocalClosed = true
	if c.cfg.Role == Server && !s.RemoteClosed {
		// RFC 9113 §8.1: a server that has sent a complete response may ask the client to stop
		// its upload with RST_STREAM (NO_ERROR). The client may be stuck on our window otherwise.
		c.Reset(s, frame.NoError)
		return
	}
	c.settle(s)
}
