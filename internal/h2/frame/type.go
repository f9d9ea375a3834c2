package frame

import "strconv"

// Type is a frame type (RFC 9113 §6).
type Type uint8

// Frame types.
const (
	TypeData         Type = 0x0
	TypeHeaders      Type = 0x1
	TypePriority     Type = 0x2
	TypeRSTStream    Type = 0x3
	TypeSettings     Type = 0x4
	TypePushPromise  Type = 0x5
	TypePing         Type = 0x6
	TypeGoAway       Type = 0x7
	TypeWindowUpdate Type = 0x8
	TypeContinuation Type = 0x9
)

var typeNames = [...]string{
	"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS",
	"PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION",
}

// Known reports whether t is a type of RFC 9113. Frames of other types are to be ignored
// (§4.1: "Implementations MUST ignore and discard frames of unknown types").
func (t Type) Known() bool { return int(t) < len(typeNames) }

// String returns the RFC's name of the type, or its number if it has none.
func (t Type) String() string {
	if t.Known() {
		return typeNames[t]
	}
	return "UNKNOWN_0x" + strconv.FormatUint(uint64(t), 16)
}

// Flags are a frame's flags. What a bit means depends on the type.
type Flags uint8

// Flags of RFC 9113 §6.
const (
	FlagEndStream  Flags = 0x1  // DATA, HEADERS
	FlagAck        Flags = 0x1  // SETTINGS, PING
	FlagEndHeaders Flags = 0x4  // HEADERS, PUSH_PROMISE, CONTINUATION
	FlagPadded     Flags = 0x8  // DATA, HEADERS, PUSH_PROMISE
	FlagPriority   Flags = 0x20 // HEADERS
)

// Has reports whether all bits of x are set.
func (f Flags) Has(x Flags) bool { return f&x == x }
