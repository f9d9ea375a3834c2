package wiretap

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// preface is the text of the event for the client's connection preface (RFC 9113 §3.4).
const preface = "connection preface"

// limits let every field section pass that a connection lets pass.
var limits = hpack.Limits{Size: 1 << 20, Fields: 1 << 12, HardSize: 1 << 20, HardFields: 1 << 12}

// decoder reads one direction of one connection.
type decoder struct {
	// immutable after newDecoder
	conn      int
	direction Direction
	emit      func(Event)

	// owned by whoever calls write
	buf      []byte // bytes of a frame that is not complete
	started  bool   // the preface is behind us
	broken   bool   // nothing is decoded any more
	fields   *hpack.Decoder
	block    []byte       // of a field section under way
	blockOf  frame.Header // as if all of it so far had come in one frame
	blockLen int          // its size on the wire so far
	streams  map[uint32]*messages
}

func newDecoder(conn int, direction Direction, emit func(Event)) *decoder {
	d := &decoder{
		conn: conn, direction: direction, emit: emit,
		started: direction == ToClient,
		fields:  hpack.NewDecoder(4096), // RFC 9113 §6.5.2, the initial SETTINGS_HEADER_TABLE_SIZE
		streams: map[uint32]*messages{},
	}
	// Whatever the other side allows later is fine with a listener.
	d.fields.SetMaxTableSize(1 << 20)
	return d
}

// write decodes more bytes. p is not kept.
func (d *decoder) write(p []byte) {
	if d.broken {
		return
	}
	d.buf = append(d.buf, p...)
	if !d.started && !d.readPreface() {
		return
	}
	for !d.broken && len(d.buf) >= frame.HeaderLen {
		h := frame.ParseHeader(d.buf)
		size := frame.HeaderLen + int(h.Length)
		if len(d.buf) < size {
			return
		}
		payload := d.buf[frame.HeaderLen:size]
		d.buf = d.buf[size:]
		d.frame(h, payload)
	}
}

func (d *decoder) readPreface() bool {
	n := min(len(d.buf), len(h2.Preface))
	if string(d.buf[:n]) != h2.Preface[:n] {
		d.fail("the connection does not start with HTTP/2's preface")
		return false
	}
	if n < len(h2.Preface) {
		return false
	}
	d.started = true
	d.buf = d.buf[n:]
	d.emit(Event{Conn: d.conn, Direction: d.direction, Text: preface, Size: n})
	return true
}

func (d *decoder) fail(format string, args ...any) {
	d.broken, d.buf, d.block, d.streams = true, nil, nil, nil
	d.emit(Event{Conn: d.conn, Direction: d.direction, Text: "not decoded from here on: " + fmt.Sprintf(format, args...)})
}

func (d *decoder) frame(h frame.Header, payload []byte) {
	if err := h.Check(frame.MaxMaxFrameSize); err != nil {
		d.fail("%v", err)
		return
	}
	e := Event{
		Conn: d.conn, Direction: d.direction, Header: h,
		Text: frame.Summary(h, payload), Size: frame.HeaderLen + len(payload),
	}
	switch h.Type {
	case frame.TypeHeaders:
		d.beginBlock(h, payload, e)
		return
	case frame.TypeContinuation:
		d.block = append(d.block, payload...)
		d.blockOf.Length = uint32(len(d.block))
		d.blockOf.Flags = d.blockOf.Flags&frame.FlagEndStream | h.Flags
		d.blockLen += e.Size
		d.endBlock(h, frame.Summary(d.blockOf, d.block))
		return
	case frame.TypeData:
		data, err := frame.ParseData(h, payload)
		if err != nil {
			d.fail("%v", err)
			return
		}
		e.Messages = d.messages(h.StreamID).write(data)
	case frame.TypeRSTStream:
		delete(d.streams, h.StreamID)
	}
	if h.End() {
		delete(d.streams, h.StreamID)
	}
	d.emit(e)
}

// beginBlock starts a field section, which is most often complete.
func (d *decoder) beginBlock(h frame.Header, payload []byte, e Event) {
	fragment, err := frame.ParseHeaders(h, payload)
	if err != nil {
		d.fail("%v", err)
		return
	}
	d.block, d.blockOf, d.blockLen = bytes.Clone(fragment), h, e.Size
	d.endBlock(h, e.Text)
}

// endBlock emits the field section under way if h completes it.
func (d *decoder) endBlock(h frame.Header, text string) {
	if !h.Flags.Has(frame.FlagEndHeaders) {
		return
	}
	fields, _, err := d.fields.Decode(nil, d.block, &limits)
	if err != nil {
		d.fail("%v", err)
		return
	}
	if d.blockOf.End() {
		delete(d.streams, d.blockOf.StreamID)
	}
	d.emit(Event{
		Conn: d.conn, Direction: d.direction, Header: d.blockOf, Text: text, Fields: fields, Size: d.blockLen,
	})
	d.block = nil
}

func (d *decoder) messages(stream uint32) *messages {
	m := d.streams[stream]
	if m == nil {
		m = new(messages)
		d.streams[stream] = m
	}
	return m
}

// messages cuts the data of a stream into length-prefixed messages, wherever frames cut it.
type messages struct {
	prefix []byte // of a message whose prefix is not complete
	left   int    // bytes of the current message still to come
	now    Message
}

// prefixLen is the size of a message's prefix: a flag byte and a length of four.
const prefixLen = 5

func (m *messages) write(p []byte) (done []Message) {
	for {
		if m.left > 0 {
			n := min(m.left, len(p))
			m.left -= n
			p = p[n:]
			if m.left > 0 {
				return done
			}
			done = append(done, m.now)
		}
		n := min(prefixLen-len(m.prefix), len(p))
		m.prefix = append(m.prefix, p[:n]...)
		p = p[n:]
		if len(m.prefix) < prefixLen {
			return done
		}
		m.now = Message{Size: int(binary.BigEndian.Uint32(m.prefix[1:])), Compressed: m.prefix[0]&1 != 0}
		m.left = m.now.Size
		m.prefix = m.prefix[:0]
		if m.left == 0 {
			done = append(done, m.now)
		}
	}
}
