// Package frames takes one direction of an HTTP/2 connection apart: frames, header blocks with the
// state of the HPACK table, and the messages of gRPC in DATA frames.
//
// Input is hostile, and may begin or break off anywhere: what cannot be read is skipped and said.
// Memory is bounded by the input.
package frames

import (
	"encoding/binary"
	"fmt"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// Event is one frame, or a stretch of bytes that is none.
type Event struct {
	Offset   int       `json:"offset"`
	Length   int       `json:"length"` // on the wire, frame header included
	Text     string    `json:"text"`   // the frame on a line
	Stream   uint32    `json:"stream,omitempty"`
	Fields   []Entry   `json:"fields,omitempty"`
	Table    *Table    `json:"table,omitempty"` // after Fields
	Messages []Message `json:"messages,omitempty"`
	Problem  string    `json:"problem,omitempty"`
	Ends     bool      `json:"ends,omitempty"` // the frame ends its sender's half of the stream
}

// Message is a length-prefixed message of gRPC that the frame completed, or the rest of one at the
// end of the input.
type Message struct {
	Offset     int    `json:"offset"` // of the prefix in the input
	Size       int    `json:"size"`   // that the prefix says
	Compressed bool   `json:"compressed"`
	Cut        bool   `json:"cut,omitempty"` // Body has less than Size
	Body       []byte `json:"-"`
}

// Direction reads one direction. Used by one goroutine.
type Direction struct {
	in      []byte
	at      int
	headers *decoder
	streams map[uint32]*assembler
	// of a header block that continues in CONTINUATION frames
	block       []byte
	blockStream uint32
	inBlock     bool
	events      []Event
}

// Read returns the events of one direction's bytes. lost says that the beginning of the connection
// is missing, as far as the caller knows; otherwise it is found out.
func Read(in []byte, lost bool) []Event {
	d := &Direction{in: in, streams: map[uint32]*assembler{}}
	n := len(h2.Preface)
	switch {
	case len(in) >= n && string(in[:n]) == h2.Preface:
		d.events = append(d.events, Event{Length: n, Text: "connection preface"})
		d.at = n
	case !startsWithSettings(in):
		lost = true
	}
	d.headers = newDecoder(lost)
	if lost && len(in) > 0 && !plausible(in, chain) {
		d.skip()
	}
	for d.at < len(d.in) {
		d.next()
	}
	for _, s := range d.streams {
		s.flush(d)
	}
	return d.events
}

// startsWithSettings reports whether bytes begin as a server's do (RFC 9113 §3.4).
func startsWithSettings(in []byte) bool {
	if len(in) < frame.HeaderLen {
		return false
	}
	h := frame.ParseHeader(in)
	return h.Type == frame.TypeSettings && h.StreamID == 0 && !h.Flags.Has(frame.FlagAck) && h.Length%6 == 0
}

// plausible reports whether a frame may begin at b: by itself, and as far as it is there by what
// follows it.
func plausible(b []byte, depth int) bool {
	if len(b) < frame.HeaderLen {
		return depth < chain // the end of the input, after others
	}
	h := frame.ParseHeader(b)
	if !h.Type.Known() || h.Length > 1<<20 || h.Check(frame.MaxMaxFrameSize) != nil || b[5]&0x80 != 0 || h.StreamID > 1<<24 {
		return false
	}
	size := frame.HeaderLen + int(h.Length)
	if depth == 1 || size >= len(b) {
		return size <= len(b) || depth < chain
	}
	return plausible(b[size:], depth-1)
}

// chain is how many frames have to follow one another before bytes in the middle of a connection
// are taken for frames.
const chain = 4

// next reads the frame at d.at, or skips what is none.
func (d *Direction) next() {
	b := d.in[d.at:]
	if len(b) < frame.HeaderLen {
		d.add(Event{Offset: d.at, Length: len(b), Text: fmt.Sprintf("%d bytes of a frame's header", len(b)), Problem: "the capture ends here"})
		return
	}
	h := frame.ParseHeader(b)
	size := frame.HeaderLen + int(h.Length)
	if err := h.Check(frame.MaxMaxFrameSize); err != nil || size > len(b) || !h.Type.Known() && !plausible(b, 2) {
		if err == nil && h.Type.Known() && size > len(b) && h.Length <= 1<<20 && !d.resumes(b) {
			d.add(Event{Offset: d.at, Length: len(b), Stream: h.StreamID, Text: frame.Summary(h, b[frame.HeaderLen:]), Problem: fmt.Sprintf("cut off: %d of %d bytes are there", len(b)-frame.HeaderLen, h.Length)})
			d.partialData(h, b[frame.HeaderLen:])
			return
		}
		d.skip()
		return
	}
	d.frame(h, b[frame.HeaderLen:size])
}

// resumes reports whether frames follow later in b, so that what begins it is not the last, cut
// one.
func (d *Direction) resumes(b []byte) bool {
	b = b[:min(len(b), 1<<16)] // far enough for the frames of a real capture, and near enough for a hostile one
	for i := 1; i+frame.HeaderLen <= len(b); i++ {
		if plausible(b[i:], chain) && i+frame.HeaderLen+int(frame.ParseHeader(b[i:]).Length) < len(b) {
			return true
		}
	}
	return false
}

// skip passes over bytes up to where frames seem to begin again.
func (d *Direction) skip() {
	start := d.at
	for d.at++; d.at < len(d.in) && !plausible(d.in[d.at:], chain); d.at++ {
	}
	d.headers.partial = true // a header block may have been among them
	d.inBlock = false
	d.events = append(d.events, Event{Offset: start, Length: d.at - start, Text: fmt.Sprintf("%d bytes that are no frame", d.at-start), Problem: "skipped: the beginning or the middle of a frame is missing"})
}

func (d *Direction) add(e Event) {
	d.events = append(d.events, e)
	d.at = e.Offset + e.Length
}

func (d *Direction) frame(h frame.Header, payload []byte) {
	e := Event{Offset: d.at, Length: frame.HeaderLen + len(payload), Stream: h.StreamID, Text: frame.Summary(h, payload), Ends: h.End() || h.Type == frame.TypeRSTStream}
	switch h.Type {
	case frame.TypeHeaders:
		fragment, err := frame.ParseHeaders(h, payload)
		if err != nil {
			e.Problem = err.Error()
			break
		}
		d.begin(h, fragment, &e)
	case frame.TypePushPromise:
		_, fragment, err := frame.ParsePushPromise(h, payload)
		if err != nil {
			e.Problem = err.Error()
			break
		}
		d.begin(h, fragment, &e)
	case frame.TypeContinuation:
		d.continued(h, payload, &e)
	case frame.TypeData:
		data, err := frame.ParseData(h, payload)
		if err != nil {
			e.Problem = err.Error()
			break
		}
		e.Messages = d.stream(h.StreamID).write(data, dataOffset(e.Offset, h, payload))
	}
	d.add(e)
}

// dataOffset returns where the data of a DATA frame begins: behind the length of its padding, if it
// has any.
func dataOffset(at int, h frame.Header, payload []byte) int {
	if h.Flags.Has(frame.FlagPadded) && len(payload) > 0 {
		return at + frame.HeaderLen + 1
	}
	return at + frame.HeaderLen
}

func (d *Direction) begin(h frame.Header, fragment []byte, e *Event) {
	if d.inBlock {
		e.Problem = "a header block begins before the one before it has ended"
	}
	d.block, d.inBlock, d.blockStream = append([]byte(nil), fragment...), true, h.StreamID
	d.end(h, e)
}

func (d *Direction) continued(h frame.Header, payload []byte, e *Event) {
	if !d.inBlock || h.StreamID != d.blockStream {
		e.Problem = "CONTINUATION of no header block: its beginning is missing"
		d.headers.partial = true
		return
	}
	d.block = append(d.block, payload...)
	d.end(h, e)
}

// end decodes the header block if the frame completes it.
func (d *Direction) end(h frame.Header, e *Event) {
	if !h.Flags.Has(frame.FlagEndHeaders) {
		return
	}
	fields, err := d.headers.block(d.block)
	e.Fields = fields
	table := d.headers.state()
	e.Table = &table
	if err != nil {
		e.Problem = "the header block: " + err.Error()
		d.headers.partial = true
	}
	d.block, d.inBlock = nil, false
}

func (d *Direction) stream(id uint32) *assembler {
	s := d.streams[id]
	if s == nil {
		s = &assembler{}
		d.streams[id] = s
	}
	return s
}

// partialData takes what is there of a cut DATA frame.
func (d *Direction) partialData(h frame.Header, b []byte) {
	if h.Type != frame.TypeData || h.Flags.Has(frame.FlagPadded) {
		return
	}
	last := &d.events[len(d.events)-1]
	last.Messages = d.stream(h.StreamID).write(b, last.Offset+frame.HeaderLen)
}

// assembler joins the data of a stream to messages.
type assembler struct {
	buf []byte
	at  int // where buf's first byte is in the input
}

// prefixLen is the size of a message's prefix: a flag byte and a length of four.
const prefixLen = 5

func (s *assembler) write(p []byte, offset int) (done []Message) {
	if len(s.buf) == 0 {
		s.at = offset
	}
	s.buf = append(s.buf, p...)
	for len(s.buf) >= prefixLen {
		size := int(binary.BigEndian.Uint32(s.buf[1:]))
		if len(s.buf)-prefixLen < size {
			return done
		}
		used := prefixLen + size
		done = append(done, Message{Offset: s.at, Size: size, Compressed: s.buf[0]&1 != 0, Body: s.buf[prefixLen:used:used]})
		s.buf = s.buf[used:]
		s.at = offset + len(p) - len(s.buf)
	}
	return done
}

// flush adds what is left of a message at the end of the input to the last event.
func (s *assembler) flush(d *Direction) {
	if len(s.buf) < prefixLen || len(d.events) == 0 {
		return
	}
	last := &d.events[len(d.events)-1]
	last.Messages = append(last.Messages, Message{
		Offset: s.at, Size: int(binary.BigEndian.Uint32(s.buf[1:])), Compressed: s.buf[0]&1 != 0, Cut: true, Body: s.buf[prefixLen:],
	})
}

// Is reports whether bytes are one direction of an HTTP/2 connection, from its beginning or from
// anywhere between two frames.
func Is(b []byte) bool {
	if startsWithSettings(b) {
		return true
	}
	return len(b) >= chain*frame.HeaderLen && plausible(b, chain)
}
