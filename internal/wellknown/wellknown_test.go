package wellknown

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/typepb"
)

func TestRename(t *testing.T) {
	own := structpb.File_google_protobuf_struct_proto // maps, a oneof, an enum, messages that refer to each other
	got, err := Rename(own, "other/file.proto", "other.pkg", &descriptorpb.FileOptions{GoPackage: proto.String("x")})
	if err != nil {
		t.Fatal(err)
	}
	if got.Path() != "other/file.proto" || got.Package() != "other.pkg" {
		t.Errorf("path %s and package %s", got.Path(), got.Package())
	}
	fields := got.Messages().ByName("Value").Fields()
	if name := fields.ByName("struct_value").Message().FullName(); name != "other.pkg.Struct" {
		t.Errorf("type of a field = %s, want the renamed one", name)
	}
	if name := fields.ByName("null_value").Enum().FullName(); name != "other.pkg.NullValue" {
		t.Errorf("enum of a field = %s, want the renamed one", name)
	}
	text := protodesc.ToFileDescriptorProto(got).String()
	if strings.Contains(text, "google.protobuf") {
		t.Errorf("the old name is left: %s", text)
	}
	if _, err := protoregistry.GlobalFiles.FindFileByPath("other/file.proto"); err == nil {
		t.Error("the file was registered")
	}
	if own.Package() != "google.protobuf" || own.Messages().ByName("Value").Fields().ByName("struct_value").Message().FullName() != protoreflect.FullName("google.protobuf.Struct") {
		t.Error("the original was changed")
	}
}

func TestRenameRefusesImports(t *testing.T) {
	if _, err := Rename(typepb.File_google_protobuf_type_proto, "x.proto", "x", nil); err == nil {
		t.Error("no error for a file whose imports would keep their names")
	}
}
