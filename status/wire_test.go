package status

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// rpcStatus is google.rpc.Status as a dynamic message, so that the code by hand is measured
// against protobuf's own without registering the type.
var rpcStatus = func() protoreflect.MessageDescriptor {
	field := func(name string, number int32, label descriptorpb.FieldDescriptorProto_Label, typ descriptorpb.FieldDescriptorProto_Type, typeName *string) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, JsonName: &name, Number: &number, Label: &label, Type: &typ, TypeName: typeName}
	}
	optional, repeated := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test/status.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/any.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Status"), Field: []*descriptorpb.FieldDescriptorProto{
			field("code", 1, optional, descriptorpb.FieldDescriptorProto_TYPE_INT32, nil),
			field("message", 2, optional, descriptorpb.FieldDescriptorProto_TYPE_STRING, nil),
			field("details", 3, repeated, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, proto.String(".google.protobuf.Any")),
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	return f.Messages().ByName("Status")
}()

func dynamicStatus(code int32, message string, details ...*anypb.Any) proto.Message {
	m := dynamicpb.NewMessage(rpcStatus)
	fields := rpcStatus.Fields()
	m.Set(fields.ByName("code"), protoreflect.ValueOfInt32(code))
	m.Set(fields.ByName("message"), protoreflect.ValueOfString(message))
	for _, d := range details {
		m.Mutable(fields.ByName("details")).List().Append(protoreflect.ValueOfMessage(d.ProtoReflect()))
	}
	return m
}

func TestWireIsGoogleRPCStatus(t *testing.T) {
	packed, err := anypb.New(wrapperspb.String("detail"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		s    *Status
		want proto.Message
	}{
		{"code alone", New(codes.NotFound, ""), dynamicStatus(5, "")},
		{"with text", New(codes.Internal, "깨짐"), dynamicStatus(13, "깨짐")},
		{"broken text", New(codes.Internal, "a\xffb"), dynamicStatus(13, "a\uFFFDb")},
		{"large code", New(1000, "x"), dynamicStatus(1000, "x")},
		{"details", must(New(codes.Aborted, "x").WithDetails(wrapperspb.String("detail"), &anypb.Any{})), dynamicStatus(10, "x", packed, &anypb.Any{})},
	} {
		wire := tt.s.AppendWire(nil)
		got := dynamicpb.NewMessage(rpcStatus)
		if err := proto.Unmarshal(wire, got); err != nil {
			t.Errorf("%s: protobuf cannot read it: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, proto.Message(got), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		theirs, err := proto.Marshal(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseWire(theirs)
		if err != nil || string(back.AppendWire(nil)) != string(wire) {
			t.Errorf("%s: read back as %v, %v", tt.name, back, err)
		}
	}
}

func must(s *Status, err error) *Status {
	if err != nil {
		panic(err)
	}
	return s
}

func TestParseWire(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       string // "" for an error
	}{
		{"empty", "", "OK"},
		{"unknown fields of every wire type", "\x28\x01\x31\x01\x02\x03\x04\x05\x06\x07\x08\x3a\x01x\x43\x44\x4d\x01\x02\x03\x04\x08\x05", "NOT_FOUND"},
		{"the last of a repeated scalar holds", "\x08\x05\x08\x0d", "INTERNAL"},
		{"negative code", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "UNKNOWN"},
		{"code of the wrong wire type", "\x0d\x05\x00\x00\x00", "OK"},
		{"text that is not UTF-8", "\x08\x05\x12\x02\xffa", "NOT_FOUND: \uFFFDa"},
		{"tag cut off", "\x80", ""},
		{"field number 0", "\x00\x01", ""},
		{"varint cut off", "\x08\x80", ""},
		{"length beyond the end", "\x12\x05ab", ""},
		{"detail that is no message", "\x1a\x01\xff", ""},
		{"group that does not end", "\x43\x08\x01", ""},
	} {
		s, err := ParseWire([]byte(tt.wire))
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%s: %v, want an error", tt.name, s)
		case tt.want != "" && (err != nil || s.String() != tt.want):
			t.Errorf("%s: %v, %v; want %s", tt.name, s, err, tt.want)
		}
	}
}

func FuzzParseWire(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\x28\x01\x31\x01\x02\x03\x04\x05\x06\x07\x08\x3a\x01x\x43\x44\x4d\x01\x02\x03\x04\x08\x05"))
	f.Add(must(New(codes.NotFound, "text").WithDetails(wrapperspb.String("d"), wrapperspb.Bool(true))).AppendWire(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseWire(b)
		theirs := dynamicpb.NewMessage(rpcStatus)
		if theirErr := proto.Unmarshal(b, theirs); theirErr == nil && err != nil {
			t.Fatalf("protobuf reads %x, we say %v", b, err)
		}
		if err != nil {
			return
		}
		_ = s.Details()
		wire := s.AppendWire(nil)
		again, err := ParseWire(wire)
		if err != nil || string(again.AppendWire(nil)) != string(wire) {
			t.Fatalf("%x: round trip gives %v, %v; want %v", b, again, err, s)
		}
	})
}
