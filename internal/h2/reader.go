package h2

import (
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// An EventKind says what an Event brings.
type EventKind uint8

// Kinds of events.
const (
	EventNone     EventKind = iota // nothing to act on: PRIORITY, unknown types, a block's beginning
	EventHeaders                   // a complete header section: Fields, Info, End
	EventData                      // a piece of a DATA frame: Data; First with the first piece, End with the last
	EventReset                     // RST_STREAM: Code
	EventSettings                  // SETTINGS, values checked
	EventSettingsAck
	EventPing         // Data
	EventPingAck      // Data
	EventGoAway       // GoAway
	EventWindowUpdate // StreamID (0: connection), Increment
)

// An Event is a received frame, or a part of a DATA frame, checked as far as that goes without
// the connection's state. Its slices are lent until the next call of Next.
type Event struct {
	Kind     EventKind
	Type     frame.Type
	StreamID uint32
	End      bool // END_STREAM

	Fields []hpack.Field
	Info   hpack.Info // Truncated: the section exceeded a soft limit, Fields are what fitted

	Data    []byte // DATA: a piece of the payload; PING: the 8 bytes
	First   bool   // first piece of a DATA frame
	FlowLen int    // with First: bytes of flow control, padding included
	DataLen int    // with First: payload without padding; of an unknown type: all of it

	Code      frame.ErrCode
	GoAway    frame.GoAway
	Settings  frame.Settings
	Increment uint32

	// Err is a fault that ends the event's stream only. The rest of the event is not valid.
	Err *Error
}

// ReaderConfig bounds what a Reader takes.
type ReaderConfig struct {
	// FromServer: the bytes come from a server.
	FromServer bool
	Limits     hpack.Limits
}

// Scratch is what events are built in.
type Scratch struct {
	Strings hpack.Interner // survives Clear: it is a cache
	Fields  []hpack.Field  // header sections are decoded into it
	ev      Event
}

// Clear forgets what the last events referred to.
func (s *Scratch) Clear() {
	clear(s.Fields[:cap(s.Fields)])
	s.Fields, s.ev = s.Fields[:0], Event{}
}

// A Reader cuts a connection's bytes into events. It belongs to the read loop.
type Reader struct {
	// Now is the time the budget is charged at, in nanoseconds; the read loop sets it.
	Now int64

	// Scratch must be set while Next is called; it may be another one each time the caller has
	// done with the last event, so that an idle connection need not keep any.
	Scratch *Scratch

	cfg    ReaderConfig  // immutable
	budget *abuse.Budget // what the peer may cause
	dec    *hpack.Decoder

	// DATA frame in progress
	dataLeft int // payload bytes still to come
	padLeft  int // padding bytes still to come
	dataID   uint32
	dataEnd  bool

	// header block in progress: HEADERS without END_HEADERS came
	block      []byte
	blockID    uint32 // 0: none
	blockEnd   bool
	blockErr   *Error // fault of the stream found in HEADERS
	firstFrame bool   // the first frame must be SETTINGS

}

// NewReader returns a Reader for the bytes after the client preface. budget is charged for header
// blocks; it belongs to the read loop as the Reader does.
func NewReader(cfg ReaderConfig, budget *abuse.Budget) *Reader {
	return &Reader{cfg: cfg, budget: budget, dec: hpack.NewDecoder(headerTableSize), firstFrame: true}
}

// MidBlock reports whether a header block has begun and not ended.
func (r *Reader) MidBlock() bool { return r.blockID != 0 }

// Next takes one event from the front of b and returns how many bytes it used; n == 0 without an
// error asks for more bytes. An error ends the connection.
func (r *Reader) Next(b []byte) (ev *Event, n int, err error) {
	if r.dataLeft > 0 || r.padLeft > 0 {
		if len(b) == 0 {
			return nil, 0, nil
		}
		return r.dataPiece(b, 0)
	}
	if len(b) < frame.HeaderLen {
		return nil, 0, nil
	}
	h := frame.ParseHeader(b)
	if err := r.checkHeader(h); err != nil {
		return nil, 0, err
	}
	if h.Type == frame.TypeData {
		return r.dataFrame(h, b)
	}
	total := frame.HeaderLen + int(h.Length)
	if len(b) < total {
		return nil, 0, nil
	}
	r.firstFrame = false
	r.Scratch.ev = Event{Type: h.Type, StreamID: h.StreamID}
	if err := r.frame(h, b[frame.HeaderLen:total]); err != nil {
		return nil, 0, err
	}
	return &r.Scratch.ev, total, nil
}

// checkHeader applies the rules that need the frame header only.
func (r *Reader) checkHeader(h frame.Header) error {
	if r.firstFrame && (h.Type != frame.TypeSettings || h.Flags.Has(frame.FlagAck)) {
		// RFC 9113 §3.4: the preface's SETTINGS frame is the first frame each side sends.
		return connError(frame.ProtocolError, "first_frame", "first frame is %v, not SETTINGS", h.Type)
	}
	if r.blockID != 0 && (h.Type != frame.TypeContinuation || h.StreamID != r.blockID) {
		// §6.2: HEADERS without END_HEADERS is followed by CONTINUATION of the same stream only.
		return connError(frame.ProtocolError, "block_interrupted", "%v on stream %d inside the header block of stream %d", h.Type, h.StreamID, r.blockID)
	}
	if err := h.Check(ownMaxFrameSize); err != nil && err.Scope == frame.ScopeConn {
		return fromFrame(0, err)
	}
	return nil
}

// dataFrame starts a DATA frame; its payload is passed on as it comes.
func (r *Reader) dataFrame(h frame.Header, b []byte) (*Event, int, error) {
	used, pad := frame.HeaderLen, 0
	if h.Flags.Has(frame.FlagPadded) {
		if len(b) < used+1 {
			if h.Length == 0 {
				return nil, 0, connError(frame.FrameSizeError, "data_padding_missing", "padded DATA without a pad length")
			}
			return nil, 0, nil
		}
		pad = int(b[used])
		used++
		if h.Length == 0 {
			return nil, 0, connError(frame.FrameSizeError, "data_padding_missing", "padded DATA without a pad length")
		}
		if pad >= int(h.Length) {
			// §6.1: padding as long as the payload or longer is a connection error PROTOCOL_ERROR.
			return nil, 0, connError(frame.ProtocolError, "data_padding", "DATA of %d bytes with %d bytes of padding", h.Length, pad)
		}
	}
	r.dataID, r.dataEnd = h.StreamID, h.Flags.Has(frame.FlagEndStream)
	r.padLeft = pad
	r.dataLeft = int(h.Length) - (used - frame.HeaderLen) - pad
	dataLen := r.dataLeft
	r.Scratch.ev = Event{Kind: EventData, Type: frame.TypeData}
	ev, n, err := r.dataPiece(b[used:], used)
	ev.First, ev.FlowLen, ev.DataLen = true, int(h.Length), dataLen
	return ev, n, err
}

// dataPiece passes on what has come of the current DATA frame. used counts bytes before b.
func (r *Reader) dataPiece(b []byte, used int) (*Event, int, error) {
	k := min(r.dataLeft, len(b))
	r.dataLeft -= k
	p := 0
	if r.dataLeft == 0 {
		p = min(r.padLeft, len(b)-k)
		r.padLeft -= p
	}
	r.Scratch.ev = Event{
		Kind: EventData, Type: frame.TypeData, StreamID: r.dataID, Data: b[:k:k],
		End: r.dataEnd && r.dataLeft == 0 && r.padLeft == 0,
	}
	return &r.Scratch.ev, used + k + p, nil
}
