package grpcgo

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"google.golang.org/grpc"
	grpcenc "google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// Encoding returns an option that makes a naru server or client take the codecs and compressors
// registered with grpc-go (encoding.RegisterCodec, RegisterCodecV2, RegisterCompressor), and
// clients the options ForceCodec, ForceCodecV2 and CallContentSubtype. A codec registered as
// "proto" takes the place of naru's. Compressors are those registered when Encoding is called; gzip
// is naru's. Servers and clients that this package makes have it.
//
// As in grpc-go, a server decodes requests of a content subtype that is not registered as "proto".
func Encoding() naru.Option { return encodingOption(nil) }

// encodingOption is Encoding with a codec for every message of a server, nil for none.
func encodingOption(forced grpcenc.CodecV2) naru.Option {
	base := encoding.Codec(protoCodec{encoding.Proto()})
	if forced != nil {
		base = grpcCodec{forced, "proto"}
	} else if c := registeredCodec("proto"); c != nil && !grpcDefault(c) {
		base = grpcCodec{c, "proto"}
	}
	codecs := []encoding.Codec{base}
	if c := registeredCodec("raw"); c != nil || forced != nil {
		if forced != nil {
			c = forced
		}
		codecs = append(codecs, grpcCodec{c, "raw"})
	}
	lookup := func(subtype string) encoding.Codec {
		switch c := registeredCodec(subtype); {
		case forced != nil:
			return grpcCodec{forced, subtype}
		case c != nil:
			return grpcCodec{c, subtype}
		}
		return named{base, subtype}
	}
	return naru.JoinOptions(naru.WithCodecs(codecs...), naru.WithCodecLookup(lookup), naru.WithCompressors(compressors()...), naru.WithCompressionThreshold(0))
}

// registeredCodec finds a codec registered with grpc-go, nil if there is none.
func registeredCodec(name string) grpcenc.CodecV2 {
	if c := grpcenc.GetCodecV2(name); c != nil {
		return c
	}
	if c := grpcenc.GetCodec(name); c != nil {
		return codecV1{c}
	}
	return nil
}

// grpcDefault reports whether c is grpc-go's own codec of protobuf messages, in whose place naru's
// does the same.
func grpcDefault(c grpcenc.CodecV2) bool {
	t := reflect.TypeOf(c)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "google.golang.org/grpc/encoding/proto"
}

// coded is a message with the codec of its call, whatever its content subtype (grpc.ForceCodec).
type coded struct {
	codec   grpcenc.CodecV2
	message any
}

// grpcCodec is a codec of grpc-go as naru takes it.
type grpcCodec struct {
	codec grpcenc.CodecV2
	name  string // in lower case
}

// Name implements encoding.Codec.
func (c grpcCodec) Name() string { return c.name }

// Size implements encoding.Codec.
func (c grpcCodec) Size(any) int { return -1 }

// Append implements encoding.Codec.
func (c grpcCodec) Append(dst []byte, m any, _ int) ([]byte, error) {
	codec := c.codec
	if own, ok := m.(*coded); ok {
		codec, m = own.codec, own.message
	}
	data, err := codec.Marshal(m)
	if err != nil {
		return dst, err
	}
	for _, b := range data {
		dst = append(dst, b.ReadOnlyData()...)
	}
	data.Free()
	return dst, nil
}

// Unmarshal implements encoding.Codec. The codec gets a copy of src, as it may keep references to
// what it is given.
func (c grpcCodec) Unmarshal(src []byte, m any) error {
	codec := c.codec
	if own, ok := m.(*coded); ok {
		codec, m = own.codec, own.message
	}
	data := mem.BufferSlice{mem.Copy(src, mem.DefaultBufferPool())}
	defer data.Free()
	return codec.Unmarshal(data, m)
}

// protoCodec is naru's codec of protobuf messages, which also takes messages with a codec of their
// own.
type protoCodec struct{ encoding.Codec }

// Size implements encoding.Codec.
func (c protoCodec) Size(m any) int {
	if _, ok := m.(*coded); ok {
		return -1
	}
	return c.Codec.Size(m)
}

// Append implements encoding.Codec.
func (c protoCodec) Append(dst []byte, m any, size int) ([]byte, error) {
	if own, ok := m.(*coded); ok {
		return grpcCodec{own.codec, ""}.Append(dst, m, size)
	}
	return c.Codec.Append(dst, m, size)
}

// Unmarshal implements encoding.Codec.
func (c protoCodec) Unmarshal(src []byte, m any) error {
	if own, ok := m.(*coded); ok {
		return grpcCodec{own.codec, ""}.Unmarshal(src, m)
	}
	return c.Codec.Unmarshal(src, m)
}

// named is a codec under another name.
type named struct {
	encoding.Codec
	name string
}

// Name implements encoding.Codec.
func (n named) Name() string { return n.name }

// codecV1 is a codec of grpc-go's first interface as its second.
type codecV1 struct{ codec grpcenc.Codec }

// Name implements encoding.CodecV2.
func (c codecV1) Name() string { return c.codec.Name() }

// Marshal implements encoding.CodecV2.
func (c codecV1) Marshal(m any) (mem.BufferSlice, error) {
	data, err := c.codec.Marshal(m)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (c codecV1) Unmarshal(data mem.BufferSlice, m any) error {
	return c.codec.Unmarshal(data.Materialize(), m)
}

// subtypeOf is the content subtype of calls with a codec.
func subtypeOf(name string) (string, error) {
	name = strings.ToLower(name)
	if name == "" {
		return "", fmt.Errorf("the codec has no name")
	}
	return name, nil
}

// codecV0 is a codec of grpc-go's oldest interface.
//
//lint:ignore SA1019 programs have codecs of it, and grpc-go still takes them
type codecV0 struct{ codec grpc.Codec }

// Name implements encoding.CodecV2.
func (c codecV0) Name() string { return c.codec.String() }

// Marshal implements encoding.CodecV2.
func (c codecV0) Marshal(m any) (mem.BufferSlice, error) {
	data, err := c.codec.Marshal(m)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (c codecV0) Unmarshal(data mem.BufferSlice, m any) error {
	return c.codec.Unmarshal(data.Materialize(), m)
}

// unnamedCodec is a codec that grpc-go made of one without a name.
type unnamedCodec interface {
	Marshal(v any) (mem.BufferSlice, error)
	Unmarshal(data mem.BufferSlice, v any) error
}

// anyCodec is a codec for every content subtype.
type anyCodec struct{ unnamedCodec }

// Name implements encoding.CodecV2.
func (anyCodec) Name() string { return "proto" }
