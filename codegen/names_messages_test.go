package codegen

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func TestCheckMessages(t *testing.T) {
	message := func(name string, nested ...*descriptorpb.DescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: proto.String(name), NestedType: nested}
	}
	enum := &descriptorpb.EnumDescriptorProto{
		Name:  proto.String("Kind"),
		Value: []*descriptorpb.EnumValueDescriptorProto{{Name: proto.String("NONE"), Number: proto.Int32(0)}},
	}
	tests := []struct {
		name     string
		messages []*descriptorpb.DescriptorProto
		enums    []*descriptorpb.EnumDescriptorProto
		want     string // the Go name, "" for no error
	}{
		{"different", []*descriptorpb.DescriptorProto{message("A"), message("B", message("A"))}, nil, ""},
		{"case and underscore", []*descriptorpb.DescriptorProto{message("my_message"), message("MyMessage")}, nil, "MyMessage"},
		{"nested", []*descriptorpb.DescriptorProto{message("A", message("B")), message("A_B")}, nil, "A_B"},
		{"enum value", []*descriptorpb.DescriptorProto{message("Kind_NONE")}, []*descriptorpb.EnumDescriptorProto{enum}, "Kind_NONE"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := &descriptorpb.FileDescriptorProto{
				Name: proto.String("a.proto"), Package: proto.String("p"), Syntax: proto.String("proto3"),
				Options:     &descriptorpb.FileOptions{GoPackage: proto.String("example.com/p")},
				MessageType: test.messages, EnumType: test.enums,
			}
			gen, err := protogen.Options{}.New(&pluginpb.CodeGeneratorRequest{
				FileToGenerate: []string{"a.proto"}, ProtoFile: []*descriptorpb.FileDescriptorProto{file},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = CheckMessages(gen)
			var name *NameError
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case test.want != "" && (!errors.As(err, &name) || name.GoName != test.want):
				t.Errorf("got %v, want a *NameError for %s", err, test.want)
			case test.want != "" && !strings.Contains(err.Error(), "a.proto: "):
				t.Errorf("%v does not name the file", err)
			}
		})
	}
}

// TestCheckDescriptors: the variables with the descriptors of two files are one identifier if their
// paths differ in nothing but slashes and underscores.
func TestCheckDescriptors(t *testing.T) {
	var files []*descriptorpb.FileDescriptorProto
	for _, name := range []string{"a_b.proto", "a/b.proto"} {
		files = append(files, &descriptorpb.FileDescriptorProto{
			Name: proto.String(name), Options: &descriptorpb.FileOptions{GoPackage: proto.String("example.com/p")},
		})
	}
	gen, err := protogen.Options{}.New(&pluginpb.CodeGeneratorRequest{FileToGenerate: []string{"a_b.proto", "a/b.proto"}, ProtoFile: files})
	if err != nil {
		t.Fatal(err)
	}
	want := "a/b.proto: file a/b.proto needs the Go name File_a_b_proto, which file a_b.proto at a_b.proto has already"
	if err := CheckMessages(gen); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
