package encoding

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// JSON returns the codec "json": protocol buffers' JSON mapping. Fields that the receiver does
// not know are passed over, as the binary format does.
func JSON() Codec { return jsonCodec{} }

type jsonCodec struct{}

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

func (jsonCodec) Unmarshal(src []byte, m any) error {
	if setRaw(src, m) {
		return nil
	}
	message, ok := m.(proto.Message)
	if !ok {
		return wrongType("json", "unmarshal", m)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(src, message); err != nil {
		return fmt.Errorf("encoding: json unmarshal %T: %w", m, err)
	}
	return nil
}
