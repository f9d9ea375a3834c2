package h2

import (
	"encoding/binary"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// lastData is the DATA frame at the end of Out that more data of the same stream may join: a burst
// of small messages costs one frame header.
type lastData struct {
	id       uint32 // its stream; 0: there is no such frame
	off, end int32  // it begins at off and ends at end, in Out; something else follows it if end != len(Out)
}

// close lets no more data join.
func (l *lastData) close() { l.id = 0 }

// appendData writes DATA frames for p, which the windows allow. Data that directly follows data of
// the same stream joins its frame. The stream stays in the table whatever end says: the caller acts
// on the end when it is done with the stream.
func (c *Conn) appendData(s *Stream, p []byte, end bool) {
	s.sendWindow -= int64(len(p))
	c.sendWindow -= int64(len(p))
	if len(p) > 0 {
		s.refills.dry, c.refills.dry = false, false
	}
	limit := min(maxDataFrame, int(c.peer.maxFrame))
	if l := &c.last; l.id == s.ID && int(l.end) == len(c.Out) {
		have := int(l.end-l.off) - frame.HeaderLen
		k := min(limit-have, len(p))
		c.Out = append(c.Out, p[:k]...)
		p = p[k:]
		// have+k <= maxDataFrame: the top byte of the length stays 0.
		binary.BigEndian.PutUint16(c.Out[l.off+1:], uint16(have+k))
		l.end = int32(len(c.Out))
		if len(p) == 0 {
			if end {
				c.Out[l.off+4] |= byte(frame.FlagEndStream)
				l.close()
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
		off := int32(len(c.Out))
		c.Out = frame.AppendHeader(c.Out, frame.Header{Length: uint32(k), Type: frame.TypeData, Flags: flags, StreamID: s.ID})
		c.Out = append(c.Out, p[:k]...)
		c.last = lastData{id: s.ID, off: off, end: int32(len(c.Out))}
		p = p[k:]
		if len(p) == 0 {
			break
		}
	}
	if end {
		c.last.close()
	}
}
