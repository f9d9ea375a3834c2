package h2

import (
	"fmt"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// A Verdict says what a HEADERS frame is in the state its stream is in.
type Verdict uint8

// Verdicts of RecvHeaders.
const (
	Ignore   Verdict = iota // for a stream that we reset: decode, then forget
	NewHead                 // opens a stream (server), or is the response head (client)
	Trailers                // second header section of a stream
	Refuse                  // over our limit: REFUSED_STREAM
)

// RecvMalformed notes that the peer used a stream id for a header section that is an error of
// that stream only, so that the id is not taken for an idle one later.
func (c *Conn) RecvMalformed(id uint32) {
	if c.cfg.Role == Server && id%2 == 1 && id > c.maxPeerID {
		c.maxPeerID = id
	}
}

// RecvHeaders applies a complete header section. informational says that it is a 1xx head.
func (c *Conn) RecvHeaders(id uint32, end, informational bool) (*Stream, Verdict, error) {
	if s := c.streams[id]; s != nil {
		return c.recvHeadersOpen(s, end, informational)
	}
	if id%2 == 0 {
		// §5.1.1: streams initiated by a client use odd ids; push is off, so none is even.
		return nil, Ignore, connError(frame.ProtocolError, "stream_id_even", "HEADERS on stream %d: no stream of that number can exist", id)
	}
	if c.cfg.Role == Client {
		if id >= c.nextID {
			return nil, Ignore, connError(frame.ProtocolError, "headers_idle", "HEADERS on stream %d, which was never opened", id)
		}
		return nil, Ignore, nil
	}
	if id <= c.maxPeerID {
		if c.resets.mayHaveReset(id) || c.goAway.ignores(id) {
			return nil, Ignore, nil
		}
		// §5.1.1: the identifier of a new stream must be greater than all before; §5.1 "closed".
		return nil, Ignore, connError(frame.StreamClosed, "headers_closed", "HEADERS on stream %d, which has ended", id)
	}
	c.maxPeerID = id
	if c.goAway.ignores(id) {
		return nil, Ignore, nil
	}
	if uint32(len(c.streams)) >= c.cfg.MaxConcurrentStreams {
		return nil, Refuse, nil // §5.1.2
	}
	s := c.newStream(id)
	s.HeadReceived, s.RemoteClosed = true, end
	return s, NewHead, nil
}

// NoteHead adds a request's header list to Heads.
func (c *Conn) NoteHead(s *Stream, size int) {
	s.head = size
	c.Heads += size
}

func (c *Conn) recvHeadersOpen(s *Stream, end, informational bool) (*Stream, Verdict, error) {
	if s.RemoteClosed {
		// §5.1 half-closed (remote): frames other than WINDOW_UPDATE, PRIORITY, RST_STREAM are a
		// stream error of type STREAM_CLOSED.
		return s, Ignore, streamError(s.ID, frame.StreamClosed, "headers_half_closed", "HEADERS after END_STREAM")
	}
	if c.cfg.Role == Client && !s.HeadReceived {
		if informational {
			if end {
				return s, Ignore, streamError(s.ID, frame.ProtocolError, "informational_end", "1xx response with END_STREAM")
			}
			return s, Ignore, nil
		}
		s.HeadReceived = true
		if end {
			return s, NewHead, c.remoteEnd(s)
		}
		return s, NewHead, nil
	}
	if !end {
		// §8.1: a header section after the first without END_STREAM is malformed.
		return s, Ignore, streamError(s.ID, frame.ProtocolError, "trailers_without_end", "second HEADERS without END_STREAM")
	}
	return s, Trailers, c.remoteEnd(s)
}

// ExpectLength notes the peer's content-length for the check of RFC 9113 §8.1.1.
func (s *Stream) ExpectLength(n int64) error {
	s.contentLength = n
	if s.RemoteClosed && n > 0 {
		return s.lengthError()
	}
	return nil
}

func (s *Stream) lengthError() error {
	return streamError(s.ID, frame.ProtocolError, "content_length",
		fmt.Sprintf("body of %d bytes where content-length says %d", s.dataSeen, s.contentLength))
}

// remoteEnd notes END_STREAM from the peer. The caller settles the stream once it has acted.
func (c *Conn) remoteEnd(s *Stream) error {
	s.RemoteClosed = true
	c.recv.Close(&s.recv, c.Now)
	// §8.1.1: malformed if content-length does not equal the sum of the DATA payloads. A
	// response without a body (to HEAD, or 304) cannot reach a gRPC client.
	if s.contentLength >= 0 && s.contentLength != s.dataSeen {
		return s.lengthError()
	}
	return nil
}

// Settle removes a stream whose halves have both ended; the shell calls it when it has
// delivered the end.
func (c *Conn) Settle(s *Stream) { c.settle(s) }

// RecvData accounts for a DATA frame of flowLen bytes (padding included, RFC 9113 §6.9.1) when
// its header has come. It returns the stream the bytes are for; nil with a nil error
// if they are to be dropped.
func (c *Conn) RecvData(id uint32, flowLen, dataLen int) (*Stream, error) {
	n := int64(flowLen)
	if !c.recv.Receive(n) {
		return nil, connError(frame.FlowControlError, "conn_window", "DATA of %d bytes exceeds the connection's window", n)
	}
	s := c.streams[id]
	if s == nil {
		return nil, c.dataWithoutStream(id)
	}
	if s.RemoteClosed {
		return nil, streamError(id, frame.StreamClosed, "data_half_closed", "DATA after END_STREAM")
	}
	if !s.HeadReceived {
		return nil, streamError(id, frame.ProtocolError, "data_before_head", "DATA before the response's HEADERS")
	}
	if !c.recv.ReceiveOn(&s.recv, n) {
		return nil, streamError(id, frame.FlowControlError, "stream_window",
			fmt.Sprintf("DATA of %d bytes with %d left in the stream's window", n, s.recv.Window()))
	}
	s.dataSeen += int64(dataLen)
	if s.contentLength >= 0 && s.dataSeen > s.contentLength {
		return nil, s.lengthError()
	}
	if dataLen < flowLen {
		c.recv.Padding(&s.recv, int64(flowLen-dataLen), c.Now)
	}
	return s, nil
}

func (c *Conn) dataWithoutStream(id uint32) error {
	if c.isIdle(id) {
		return connError(frame.ProtocolError, "data_idle", "DATA on stream %d, which was never opened", id)
	}
	if c.cfg.Role == Client || c.resets.mayHaveReset(id) || c.goAway.ignores(id) {
		return nil
	}
	return connError(frame.StreamClosed, "data_closed", "DATA on stream %d, which has ended", id)
}

// RecvDataEnd notes END_STREAM of a DATA frame whose payload has been delivered whole.
func (c *Conn) RecvDataEnd(s *Stream) error {
	if s.Closed {
		return nil
	}
	return c.remoteEnd(s)
}

// RecvReset applies RST_STREAM. It returns the stream if it was open: it is closed now.
func (c *Conn) RecvReset(id uint32) (*Stream, error) {
	if c.isIdle(id) {
		return nil, connError(frame.ProtocolError, "reset_idle", "RST_STREAM on stream %d, which was never opened", id) // §6.4
	}
	s := c.streams[id]
	if s != nil {
		c.remove(s)
	}
	return s, nil
}

func (c *Conn) isIdle(id uint32) bool {
	if c.cfg.Role == Client {
		return id%2 == 0 || id >= c.nextID
	}
	return id%2 == 0 || id > c.maxPeerID
}

// RecvWindowUpdate applies WINDOW_UPDATE. inc is 1 to 2^31-1, checked by the Reader.
func (c *Conn) RecvWindowUpdate(id, inc uint32) error {
	if id == 0 {
		c.refills.note(c.sendWindow)
		c.sendWindow += int64(inc)
		if c.sendWindow > maxWindow {
			// §6.9.1: a window above 2^31-1 on the connection is a connection error.
			return connError(frame.FlowControlError, "conn_window_overflow", "WINDOW_UPDATE of %d brings the connection's window above 2^31-1", inc)
		}
		return nil
	}
	if c.isIdle(id) {
		return connError(frame.ProtocolError, "window_update_idle", "WINDOW_UPDATE on stream %d, which was never opened", id)
	}
	s := c.streams[id]
	if s == nil {
		return nil
	}
	s.refills.note(s.sendWindow)
	s.sendWindow += int64(inc)
	if s.sendWindow > maxWindow {
		return streamError(id, frame.FlowControlError, "stream_window_overflow",
			fmt.Sprintf("WINDOW_UPDATE of %d brings the stream's window above 2^31-1", inc))
	}
	c.opened(s)
	return nil
}

// opened acts on a larger window of s: what waits may go, and a sender that waits for it may go on.
func (c *Conn) opened(s *Stream) {
	c.readyOrHeld(s)
	if s.Waiting && s.sendWindow > 0 && s.queued <= SendLowWater {
		s.Waiting = false
		c.Wake = append(c.Wake, s)
	}
}
