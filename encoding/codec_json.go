package encoding

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// JSON returns the codec "json": protocol buffers' JSON mapping. Fields that the receiver does not
// know are passed over, as the binary format does. It is not built into servers and clients, as it
// makes more work of a byte than the binary format does: naru.WithCodecs(encoding.JSON()) adds it.
//
// Before a message is decoded, its depth is checked, see [JSONDepth], and the work that
// google.protobuf.Any makes of it: each Any is read again by those around it, and may be read eight
// times as much as the message is long, and 64 KiB.
func JSON() Codec { return JSONDepth(DefaultMaxDepth) }

// JSONDepth is JSON for messages whose objects and arrays are nested up to limit levels deep, the
// outermost counted. 0 and less means [DefaultMaxDepth].
func JSONDepth(limit int) Codec {
	if limit <= 0 {
		limit = DefaultMaxDepth
	}
	return jsonCodec{limit}
}

type jsonCodec struct{ depth int }

func (jsonCodec) Name() string { return "json" }

// Size is known for raw messages alone.
func (jsonCodec) Size(m any) int {
	if b, ok := raw(m); ok {
		return len(b)
	}
	return -1
}

func (jsonCodec) Append(dst []byte, m any, _ int) ([]byte, error) {
	if b, ok := raw(m); ok {
		return append(dst, b...), nil
	}
	message, ok := m.(proto.Message)
	if !ok {
		return dst, wrongType("json", "marshal", m)
	}
	out, err := protojson.MarshalOptions{}.MarshalAppend(dst, message)
	if err != nil {
		return dst, fmt.Errorf("encoding: json marshal: %w", err)
	}
	return out, nil
}

func (c jsonCodec) Unmarshal(src []byte, m any) error {
	if setRaw(src, m) {
		return nil
	}
	message, ok := m.(proto.Message)
	if !ok {
		return wrongType("json", "unmarshal", m)
	}
	if err := checkJSON(src, c.depth); err != nil {
		return err
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: c.depth}).Unmarshal(src, message); err != nil {
		return fmt.Errorf("encoding: json unmarshal%s: %w", nameOf(m), err)
	}
	return nil
}
