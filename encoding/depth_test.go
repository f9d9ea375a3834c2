package encoding

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// nestedTypes is a DescriptorProto with types inside each other, levels messages deep.
func nestedTypes(levels int) []byte {
	var b []byte
	for range levels - 1 { // nested_type = 3
		b = append(protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.BytesType), uint64(len(b))), b...)
	}
	return b
}

func TestDepthOfProto(t *testing.T) {
	for _, tt := range []struct {
		codec Codec
		limit int
	}{{Proto(), 100}, {ProtoDepth(0), 100}, {ProtoDepth(7), 7}, {ProtoDepth(1000), 1000}} {
		for levels, want := range map[int]string{
			1: "", tt.limit - 1: "", tt.limit: "",
			tt.limit + 1: fmt.Sprintf("nested deeper than the limit of %d levels (encoding.ProtoDepth, WithCodecs)", tt.limit),
			10_000:       fmt.Sprintf("the limit of %d levels", tt.limit),
		} {
			err := tt.codec.Unmarshal(nestedTypes(levels), new(descriptorpb.DescriptorProto))
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%d levels with a limit of %d: %v, want %q", levels, tt.limit, err, want)
			}
		}
	}
}

// vtNested claims to have a faster codec, which has no limit, for a type that contains itself;
// vtFlat for one that does not.
type vtNested struct {
	*descriptorpb.DescriptorProto
	fast bool
}

func (m *vtNested) UnmarshalVT([]byte) error { m.fast = true; return nil }
func (m *vtNested) Reset()                   {}

type vtFlat struct {
	*wrapperspb.StringValue
	fast bool
}

func (m *vtFlat) UnmarshalVT([]byte) error { m.fast = true; return nil }
func (m *vtFlat) Reset()                   {}

func TestFasterCodecsAreNotUsedForTypesThatContainThemselves(t *testing.T) {
	nested, flat := &vtNested{DescriptorProto: new(descriptorpb.DescriptorProto)}, &vtFlat{StringValue: new(wrapperspb.StringValue)}
	if err := Proto().Unmarshal(nestedTypes(10_000), nested); err == nil || nested.fast {
		t.Errorf("10,000 levels: %v, by the faster codec: %v", err, nested.fast)
	}
	if err := Proto().Unmarshal(nil, flat); err != nil || !flat.fast {
		t.Errorf("a flat message: %v, by the faster codec: %v", err, flat.fast)
	}
	for m, want := range map[proto.Message]bool{
		new(structpb.Value): true, new(structpb.ListValue): true, new(descriptorpb.FileDescriptorSet): true,
		new(emptypb.Empty): false, new(anypb.Any): false, new(wrapperspb.BytesValue): false, new(descriptorpb.UninterpretedOption): false,
	} {
		if got := Proto().(*protoCodec).nests(m); got != want {
			t.Errorf("%s contains itself: %v, want %v", protodesc.ToDescriptorProto(m.ProtoReflect().Descriptor()).GetName(), got, want)
		}
	}
}

func TestDepthOfJSON(t *testing.T) {
	for _, tt := range []struct {
		codec Codec
		limit int
	}{{JSON(), 100}, {JSONDepth(0), 100}, {JSONDepth(7), 7}, {JSONDepth(1000), 1000}} {
		for levels, want := range map[int]string{
			1: "", tt.limit - 1: "", tt.limit: "",
			tt.limit + 1: fmt.Sprintf("nested deeper than the limit of %d levels (encoding.JSONDepth, WithCodecs)", tt.limit),
			10_000:       fmt.Sprintf("the limit of %d levels", tt.limit),
		} {
			text := strings.Repeat("[", levels) + strings.Repeat("]", levels)
			err := tt.codec.Unmarshal([]byte(text), new(structpb.Value))
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%d levels with a limit of %d: %v, want %q", levels, tt.limit, err, want)
			}
			if m := new(emptypb.Empty); want != "" {
				if err := tt.codec.Unmarshal([]byte(`{"unknown":`+text+`}`), m); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%d levels in an unknown field: %v", levels, err)
				}
			}
		}
	}
}

// anys is Anys inside each other around size bytes, each with its type after its value, where it is
// found last. key is how "@type" is written.
func anys(depth, size int, key string) []byte {
	const inner = `{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"`
	return []byte(strings.Repeat(`{"value":`, depth) + inner + strings.Repeat("x", size) + `"}` +
		strings.Repeat(`,"`+key+`":"type.googleapis.com/google.protobuf.Any"}`, depth))
}

func TestWorkOfAnys(t *testing.T) {
	for _, tt := range []struct {
		name string
		src  []byte
		ok   bool
	}{
		{"one with a megabyte", anys(0, 1<<20, "@type"), true},
		{"a few in each other with a megabyte", anys(5, 1<<20, "@type"), true},
		{"small ones as deep as may be", anys(20, 10, "@type"), true},
		{"too many with a megabyte", anys(20, 1<<20, "@type"), false},
		{"the same with another spelling", anys(20, 1<<20, `\u0040type`), false},
		{"far too many", anys(4000, 10, "@type"), false},
		{"many beside each other", []byte(`{"@type":"type.googleapis.com/google.protobuf.ListValue","value":[` + strings.Repeat(`{"@type":"x","value":"@y"},`, 20_000) + `1]}`), true},
	} {
		err := JSON().Unmarshal(tt.src, new(anypb.Any))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// What only looks like it is not counted: handles as values, in a tree of some depth.
	tree := strings.Repeat(`{"by":"@somebody","in":`, 90) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat("}", 90)
	if err := JSON().Unmarshal([]byte(tree), new(structpb.Struct)); err != nil {
		t.Error(err)
	}
}

// Whatever passes the check is decoded within a multiple of its length; whatever the input, the
// check does not panic.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"@type":"x"}`, `[{"a":"\"}"}]`, `"\`, `}`, `{"\u0040type" : 1}`, `[[[[[]]]]]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		err := checkJSON(src, 5)
		if depth := deepest(src); err == nil && depth > 5 {
			t.Errorf("depth %d passes", depth)
		}
	})
}

// deepest is how deep the brackets outside of strings nest, until one closes that was not opened.
func deepest(src []byte) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			most = max(most, depth)
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return most
			}
		}
	}
	return most
}
