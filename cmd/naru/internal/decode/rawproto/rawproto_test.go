package rawproto

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
)

func order() []byte {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&ecommerce.Order{Id: "102", Items: []string{"lamp", "rug"}, Price: 30.5, Destination: "Seoul"})
	if err != nil {
		panic(err)
	}
	return raw
}

func TestRaw(t *testing.T) {
	for in, want := range map[string]string{
		"\x0a\x04lamp\x13\x08\x01\x14":         "1: \"lamp\"\n2 {\n  1: 1\n}\n",
		"\x08\xac\x02\x15\x01\x00\x00\x00":     "1: 300\n2: 0x00000001\n",
		"\x19\x00\x00\x00\x00\x00\x00\xf0\x3f": "3: 0x3ff0000000000000\n",
		"\x0a\x02\x08\x05":                     "1 {\n  1: 5\n}\n",
		"\x0a\x00":                             "1: \"\"\n",
		"\x0a\x06a\n\"'\\\xff":                 "1: \"a\\n\\\"\\'\\\\\\377\"\n",
		"":                                     "",
	} {
		fields, err := Parse([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if diff := cmp.Diff(want, Raw(fields)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for in, want := range map[string]string{
		"\x08":                              "at byte 1: the value is cut off",
		"\x08\x01\x80":                      "at byte 2: the tag is cut off",
		"\x00\x01":                          "at byte 0: a field with the number 0",
		"\x0f":                              "at byte 0: the wire type 7",
		"\x0a\x05ab":                        "at byte 1: a length of 5 bytes, and 2 follow",
		"\x0a\xff":                          "at byte 1: a length that is cut off",
		"\x0c":                              "at byte 0: the end of group 1, which has not begun",
		"\x0b\x08\x01":                      "at byte 3: group 1 does not end",
		"\x0b\x14":                          "at byte 1: the end of group 2",
		"\x0d\x01":                          "at byte 1: the value is cut off",
		"\x80\x80\x80\x80\x80\x01":          "at byte 0: a tag of more than 32 bits",
		"\x08" + strings.Repeat("\xff", 11): "at byte 1: a varint of more than 64 bits",
		strings.Repeat("\x0b", 200):         "nested more than 100 deep",
	} {
		if _, err := Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// TestGuessesOfRecordedMessages: the first guess is right for every length-delimited field of a
// real message.
func TestGuessesOfRecordedMessages(t *testing.T) {
	file, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("a.proto"), Package: proto.String("a"), Dependency: []string{"b.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Message"), Field: []*descriptorpb.FieldDescriptorProto{{Name: proto.String("name"), Number: proto.Int32(1)}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"order": order(), "descriptor": file} {
		nodes, err := Explain(raw, 0, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var walk func([]Node)
		walk = func(nodes []Node) {
			for _, n := range nodes {
				if n.Guesses != nil && n.Guesses[0].Kind != Text && n.Guesses[0].Kind != Message {
					t.Errorf("%s: field %d at %d is taken for %s", name, n.Field, n.Offset, n.Type)
				}
				walk(n.Fields)
			}
		}
		walk(nodes)
	}
	doubles := protowire.AppendFixed64(protowire.AppendFixed64(nil, 0x3ff8000000000000), 0x4004000000000000)
	if g := Guesses(doubles); g[0].Kind != PackedFixed64 {
		t.Errorf("two doubles are taken for %v", g)
	}
	if g := Guesses([]byte{1, 2, 3, 200, 1}); g[0].Kind != PackedVarint {
		t.Errorf("varints are taken for %v", g)
	}
}

func TestExplain(t *testing.T) {
	nodes, err := Explain(order(), 0, (&ecommerce.Order{}).ProtoReflect().Descriptor(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := Format(nodes, "", false)
	for _, line := range []string{`1 id: string "102"`, `2 items: string "lamp"`, "4 price: float 30.5", `5 destination: string "Seoul"`} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
	// What does not fit the schema is said.
	nodes, err = Explain([]byte("\x08\x05\x9a\x06\x01x\x25\x00"), 10, (&ecommerce.Order{}).ProtoReflect().Descriptor(), nil)
	if err == nil || !strings.Contains(err.Error(), "at byte 17") {
		t.Errorf("%v", err)
	}
	got = Format(nodes, "", false)
	for _, part := range []string{"the schema has string here, which is not written as varint", "ecommerce.Order has no field 99"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
}

// total returns how many bytes nodes cover, and fails if they overlap or leave gaps.
func total(t *testing.T, nodes []Node, at int) int {
	for _, n := range nodes {
		if n.Offset != at {
			t.Fatalf("field %d begins at %d, want %d", n.Field, n.Offset, at)
		}
		if n.Length != len(n.head)+len(n.value)+len(n.end) {
			t.Fatalf("field %d has %d bytes, want %d", n.Field, n.Length, len(n.head)+len(n.value)+len(n.end))
		}
		if len(n.Fields) > 0 && n.Problem == "" {
			if end := total(t, n.Fields, n.Offset+len(n.head)); end != n.Offset+len(n.head)+len(n.value) {
				t.Fatalf("field %d: its fields end at %d", n.Field, end)
			}
		}
		at += n.Length
	}
	return at
}

// FuzzExplain: no input panics, every byte belongs to exactly one field, what parses is what
// protobuf parses.
func FuzzExplain(f *testing.F) {
	f.Add(order())
	f.Add([]byte("\x13\x08\x01\x14"))
	f.Add(bytes.Repeat([]byte("\x0b"), 200))
	md := (&ecommerce.Order{}).ProtoReflect().Descriptor()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, withSchema := range []bool{false, true} {
			d := md
			if !withSchema {
				d = nil
			}
			nodes, err := Explain(raw, 0, d, nil)
			end := total(t, nodes, 0)
			if err == nil && end != len(raw) {
				t.Fatalf("fields end at %d of %d", end, len(raw))
			}
			_ = Format(nodes, "", true)
		}
		fields, err := Parse(raw)
		_ = Raw(fields)
		if err == nil && proto.Unmarshal(raw, &descriptorpb.UninterpretedOption_NamePart{}) != nil {
			// Known fields may be wrong for that message; the wire itself may not.
			for rest := raw; len(rest) > 0; {
				_, _, n := protowire.ConsumeField(rest)
				if n < 0 {
					t.Fatalf("%x parses here and not with protowire", raw)
				}
				rest = rest[n:]
			}
		}
	})
}
