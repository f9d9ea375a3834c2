package encoding

import (
	"fmt"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
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

// A TypeError is returned by a codec of this package for a value that is not one of its messages: a
// mistake of the program. Servers do not send its text, which names a Go type, to clients.
type TypeError struct {
	Codec     string // its name
	Operation string // "marshal" or "unmarshal"
	Value     any    // what the program gave
	Want      string // what the codec takes
}

// Error implements error.
func (e *TypeError) Error() string {
	return fmt.Sprintf("encoding: %s %s: %T is not a message of this codec (want %s)", e.Codec, e.Operation, e.Value, e.Want)
}

func wrongType(codec, operation string, m any) error {
	return &TypeError{codec, operation, m, "a proto.Message or an encoding.RawMessage"}
}

// nameOf returns the name a message has in its .proto file, after a space, and "" if it has none.
func nameOf(m any) string {
	if p, ok := m.(proto.Message); ok {
		return " " + string(p.ProtoReflect().Descriptor().FullName())
	}
	return ""
}

// Proto returns the codec "proto": the binary format of protocol buffers. Messages that offer
// SizeVT, MarshalToSizedBufferVT and UnmarshalVT, methods that generators of faster code add, are
// coded by these. Messages may be nested 100 levels deep, as in C++ and Java: see [ProtoDepth].
func Proto() Codec { return ProtoDepth(DefaultMaxDepth) }

// DefaultMaxDepth is how many messages may be nested in each other in a message that is received.
const DefaultMaxDepth = 100

// ProtoDepth is Proto for messages that are nested up to limit levels deep, the outermost counted.
// 0 and less means [DefaultMaxDepth]. A deeper message is not decoded: each level takes a few
// hundred bytes of stack, for two bytes of the message. UnmarshalVT knows no such limit, so that it
// is not used for messages whose types contain themselves.
func ProtoDepth(limit int) Codec {
	if limit <= 0 {
		limit = DefaultMaxDepth
	}
	return &protoCodec{depth: limit}
}

type protoCodec struct {
	depth     int
	recursive sync.Map // of protoreflect.MessageDescriptor: bool
}

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

func (*protoCodec) Name() string { return "proto" }

func (*protoCodec) Size(m any) int {
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

func (c *protoCodec) Append(dst []byte, m any, size int) ([]byte, error) {
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

func (c *protoCodec) Unmarshal(src []byte, m any) error {
	message, isProto := m.(proto.Message)
	var err error
	if fast, ok := m.(vtUnmarshaler); ok && !(isProto && c.nests(message)) {
		fast.Reset()
		err = fast.UnmarshalVT(src)
	} else if isProto {
		err = proto.UnmarshalOptions{RecursionLimit: c.depth}.Unmarshal(src, message)
	} else if !setRaw(src, m) {
		return wrongType("proto", "unmarshal", m)
	}
	if err != nil {
		if strings.Contains(err.Error(), "recursion depth") { // the module has no other sign of it
			return depthError("proto", c.depth, "ProtoDepth")
		}
		return fmt.Errorf("encoding: proto unmarshal%s: %w", nameOf(m), err)
	}
	return nil
}

func depthError(codec string, limit int, option string) error {
	return fmt.Errorf("encoding: %s unmarshal: message is nested deeper than the limit of %d levels (encoding.%s, WithCodecs)", codec, limit, option)
}

// nests reports whether a message's type contains itself, so that its messages can be nested as
// deep as they are long.
func (c *protoCodec) nests(m proto.Message) bool {
	d := m.ProtoReflect().Descriptor()
	known, ok := c.recursive.Load(d)
	if !ok {
		known = containsItself(d, make(map[protoreflect.FullName]bool))
		c.recursive.Store(d, known)
	}
	return known.(bool)
}

// containsItself reports whether a walk down from d comes to a type it is inside of. seen are the
// types of the walk: true, it is inside of them; false, it has been through them.
func containsItself(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if inside, ok := seen[d.FullName()]; ok {
		return inside
	}
	seen[d.FullName()] = true
	fields := d.Fields()
	for i := range fields.Len() {
		if m := fields.Get(i).Message(); m != nil && containsItself(m, seen) {
			return true
		}
	}
	seen[d.FullName()] = false
	return false
}
