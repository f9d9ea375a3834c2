package frame

// HeaderLen is the size of a frame header in bytes.
const HeaderLen = 9

// Bounds of SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2), and so of a frame's payload.
const (
	MinMaxFrameSize = 1 << 14 // also the value before SETTINGS
	MaxMaxFrameSize = 1<<24 - 1
)

// MaxStreamID is the largest stream id and MaxWindow the largest flow-control window.
const (
	MaxStreamID = 1<<31 - 1
	MaxWindow   = 1<<31 - 1
)

// A Header is a frame header (RFC 9113 §4.1).
type Header struct {
	Length   uint32 // of the payload, 24 bits
	Type     Type
	Flags    Flags
	StreamID uint32 // 31 bits; 0 is the connection
}

// ParseHeader reads a frame header. b must hold at least HeaderLen bytes.
func ParseHeader(b []byte) Header {
	b = b[:HeaderLen]
	return Header{
		Length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		Type:   Type(b[3]),
		Flags:  Flags(b[4]),
		// RFC 9113 §4.1: "Reserved: A reserved 1-bit field. The semantics of this bit are
		// undefined, and the bit MUST remain unset (0x00) when sending and MUST be ignored when
		// receiving."
		StreamID: be32(b[5:]) & MaxStreamID,
	}
}

// AppendHeader appends h. Only the low 24 bits of Length and all 32 of StreamID are written.
func AppendHeader(dst []byte, h Header) []byte {
	return append(dst, byte(h.Length>>16), byte(h.Length>>8), byte(h.Length),
		byte(h.Type), byte(h.Flags),
		byte(h.StreamID>>24), byte(h.StreamID>>16), byte(h.StreamID>>8), byte(h.StreamID))
}

// PutHeader writes h over the first HeaderLen bytes of b.
func PutHeader(b []byte, h Header) { AppendHeader(b[:0:HeaderLen], h) }

// End reports whether the frame ends its sender's half of the stream.
func (h Header) End() bool {
	return h.Flags.Has(FlagEndStream) && (h.Type == TypeData || h.Type == TypeHeaders)
}

func be32(b []byte) uint32 {
	_ = b[3]
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func appendU32(dst []byte, v uint32) []byte {
	return append(dst, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
