package h2

import (
	"encoding/binary"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/mem"
)

// FitsPeer reports whether the peer accepts a header section (RFC 9113 §10.5.1). One longer than its
// SETTINGS_MAX_HEADER_LIST_SIZE would cost the stream, with most peers without a reason. It returns the section's
// size and that limit. extra is the size of the fields that are not in fields.
//
// A peer that announced nothing takes sections of any size (RFC 9113 §6.5.2), but those on nghttp2, Node among them,
// take a field of more than 64 KiB for a compression error, which ends the connection: none is sent to them.
func (c *Conn) FitsPeer(extra int, fields []hpack.Field) (size, limit int64, ok bool) {
	if c.peerMaxHeaderList == 1<<32-1 {
		for i := range fields {
			if n := len(fields[i].Value); n > maxUnannouncedField {
				return int64(n), maxUnannouncedField, false
			}
		}
		return 0, 0, true
	}
	size = int64(extra)
	for i := range fields {
		size += int64(len(fields[i].Name)) + int64(len(fields[i].Value)) + 32
	}
	limit = int64(c.peerMaxHeaderList)
	return size, limit, size <= limit
}

// maxUnannouncedField is nghttp2's NGHTTP2_HD_MAX_NV.
const maxUnannouncedField = 64 << 10

// indexed tells which fields are worth a place in the header table: those whose value is the
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

// beginHeaders makes room for a frame header and returns its offset in Out.
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
	c.Out = frame.FinishHeaders(c.Out, off, id, end, c.peerMaxFrame)
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
	s.headSent = true
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
	s.headSent = true
	if end {
		s.endQueued = true
		c.localEnd(s)
	}
}

// Send queues body (nil: none) and, if end is set, the end of our half, with trailers if there
// are any. It takes ownership of body. What the windows and the out-buffer have room for goes to
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
		c.Unsent += len(body.B)
		s.push(body)
	}
	if end {
		s.endQueued = true
		if s.queued > 0 {
			c.UnsentDone += s.queued
			c.StreamsDone++
		}
		if len(trailers) > 0 {
			s.trailers = append([]hpack.Field(nil), trailers...) // lent to us
		}
	}
	if c.canSend(s) {
		c.pushReady(s)
	}
}

// unqueued takes n bytes off the counts of what waits; they are off the stream's queue already.
func (c *Conn) unqueued(s *Stream, n int) {
	c.Unsent -= n
	if !s.endQueued || n == 0 {
		return
	}
	c.UnsentDone -= n
	if s.queued == 0 {
		c.StreamsDone--
	}
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

// finish ends our half, which may remove the stream: with trailers, or an empty DATA frame with END_STREAM unless the
// last DATA frame had it (said).
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

// appendData writes DATA frames for p, which the windows allow. Data that directly follows
// data of the same stream joins its frame: a burst of small messages costs one frame header. The stream stays in the
// table whatever end says: the caller acts on the end when it has done with the stream.
func (c *Conn) appendData(s *Stream, p []byte, end bool) {
	s.sendWindow -= int64(len(p))
	c.sendWindow -= int64(len(p))
	limit := min(maxDataFrame, int(c.peerMaxFrame))
	if c.mergeID == s.ID && int(c.mergeEnd) == len(c.Out) {
		have := int(c.mergeEnd-c.mergeOff) - frame.HeaderLen
		k := min(limit-have, len(p))
		c.Out = append(c.Out, p[:k]...)
		p = p[k:]
		c.setLength(int(c.mergeOff), have+k)
		c.mergeEnd = int32(len(c.Out))
		if len(p) == 0 {
			if end {
				c.Out[c.mergeOff+4] |= byte(frame.FlagEndStream)
				c.mergeEnd = -1
			}
			return
		}
	}
	for {
		k := min(limit, len(p))
		var flags frame.Flags
		if end && k == len(p) {
			flags = frame.FlagEndStream
		}
		c.Sent++
		c.mergeID, c.mergeOff = s.ID, int32(len(c.Out))
		c.Out = frame.AppendHeader(c.Out, frame.Header{Length: uint32(k), Type: frame.TypeData, Flags: flags, StreamID: s.ID})
		c.Out = append(c.Out, p[:k]...)
		c.mergeEnd = int32(len(c.Out))
		p = p[k:]
		if len(p) == 0 {
			break
		}
	}
	if end {
		c.mergeEnd = -1
	}
}

func (c *Conn) setLength(off, n int) {
	binary.BigEndian.PutUint16(c.Out[off+1:], uint16(n)) // n <= maxDataFrame: the top byte stays 0
}
