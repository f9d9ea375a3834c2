package encoding

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// A Codec turns messages into bytes and back. Implementations are safe for concurrent use.
type Codec interface {
	// Name is the content subtype: "proto" for application/grpc+proto. Lower-case.
	Name() string

	// Size returns how many bytes Append will add for m, or -1 if only Append can tell, also
	// because m is not a message this codec takes.
	Size(m any) int

	// Append appends m's encoding to dst and returns the extended slice; on error, dst. It keeps
	// neither. size is what Size returned for m just before, with m unchanged since, or -1 if
	// Size was not called.
	Append(dst []byte, m any, size int) ([]byte, error)

	// Unmarshal makes *m what src encodes; nothing that was in it stays. m keeps no part of
	// src. On error m's contents are unspecified.
	Unmarshal(src []byte, m any) error
}

// RawMessage is a message as bytes that are already encoded, whatever the codec: every codec
// of this package passes a RawMessage or *RawMessage through as it is. Proxies and recorders
// that do not know the message types use it.
type RawMessage []byte

// raw returns the bytes of a raw message to send.
func raw(m any) ([]byte, bool) {
	switch m := m.(type) {
	case RawMessage:
		return m, true
	case *RawMessage:
		return *m, true
	}
	return nil, false
}

// setRaw stores src in a raw message and reports whether m is one. The bytes are always new
// ones: a receiver that passed the previous message on must not see it change.
func setRaw(src []byte, m any) bool {
	p, ok := m.(*RawMessage)
	if ok {
		*p = append(make(RawMessage, 0, len(src)), src...)
	}
	return ok
}

func wrongType(codec, operation string, m any) error {
	return fmt.Errorf("encoding: %s %s: %T is not a message of this codec (want a proto.Message or an encoding.RawMessage)", codec, operation, m)
}

// Proto returns the codec "proto": the binary format of protocol buffers. Messages that offer
// SizeVT, MarshalToSizedBufferVT and UnmarshalVT, methods that generators of faster
// code add, are coded by these.
func Proto() Codec { return protoCodec{} }

type protoCodec struct{}

// What the generators of faster code add to a message; the names are vtprotobuf's.
type (
	vtMarshaler interface {
		SizeVT() int
		// MarshalToSizedBufferVT fills the end of the buffer and returns how many bytes it took.
		MarshalToSizedBufferVT([]byte) (int, error)
	}
	vtUnmarshaler interface {
		Reset()
		// UnmarshalVT merges, so that the message must be reset first.
		UnmarshalVT([]byte) error
	}
)

func (protoCodec) Name() string { return "proto" }

func (protoCodec) Size(m any) int {
	switch m := m.(type) {
	case vtMarshaler:
		return m.SizeVT()
	case proto.Message:
		return proto.Size(m)
	}
	if b, ok := raw(m); ok {
		return len(b)
	}
	return -1
}

func (c protoCodec) Append(dst []byte, m any, size int) ([]byte, error) {
	switch m := m.(type) {
	case vtMarshaler:
		return appendVT(dst, m, size)
	case proto.Message:
		// With Size just called, every nested message knows its size, and asking again would
		// double the work on deep messages.
		out, err := proto.MarshalOptions{UseCachedSize: size >= 0}.MarshalAppend(dst, m)
		if err != nil {
			return dst, fmt.Errorf("encoding: proto marshal: %w", err)
		}
		return sized(dst, out, size)
	}
	if b, ok := raw(m); ok {
		return append(dst, b...), nil
	}
	return dst, wrongType("proto", "marshal", m)
}

func appendVT(dst []byte, m vtMarshaler, size int) ([]byte, error) {
	if size < 0 {
		size = m.SizeVT()
	}
	out := grow(dst, size)
	n, err := m.MarshalToSizedBufferVT(out[len(dst):])
	if err != nil {
		return dst, fmt.Errorf("encoding: proto marshal: %w", err)
	}
	return sized(dst, out[:len(dst)+n], size)
}

// sized checks that the size promised in the message's prefix is the one that came out.
func sized(dst, out []byte, size int) ([]byte, error) {
	if got := len(out) - len(dst); size >= 0 && got != size {
		return dst, fmt.Errorf("encoding: proto marshal: %d bytes where %d were announced: the message was changed while it was being sent", got, size)
	}
	return out, nil
}

func (protoCodec) Unmarshal(src []byte, m any) error {
	var err error
	switch m := m.(type) {
	case vtUnmarshaler:
		m.Reset()
		err = m.UnmarshalVT(src)
	case proto.Message:
		err = proto.Unmarshal(src, m)
	default:
		if !setRaw(src, m) {
			return wrongType("proto", "unmarshal", m)
		}
	}
	if err != nil {
		return fmt.Errorf("encoding: proto unmarshal %T: %w", m, err)
	}
	return nil
}
