package reflection

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/reflection/reflectionpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/gofeaturespb" // linked extensions of FeatureSet
	"google.golang.org/protobuf/types/known/typepb"
)

// shopFile is a file that is not linked into the program, with an extension in a message and
// an import that is missing.
func shopFile(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	str := descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
	optional := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	base, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("shop/base.proto"), Package: proto.String("shop"), Syntax: proto.String("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name:           proto.String("Item"),
			ExtensionRange: []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(100), End: proto.Int32(200)}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files := new(protoregistry.Files)
	if err := files.RegisterFile(base); err != nil {
		t.Fatal(err)
	}
	extension := func(name string, number int32) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Label: optional, Type: str, Extendee: proto.String(".shop.Item")}
	}
	f, err := protodesc.FileOptions{AllowUnresolvable: true}.New(&descriptorpb.FileDescriptorProto{
		Name: proto.String("shop/shop.proto"), Package: proto.String("shop"), Syntax: proto.String("proto2"),
		Dependency: []string{"shop/base.proto", "google/protobuf/type.proto", "shop/missing.proto"},
		Extension:  []*descriptorpb.FieldDescriptorProto{extension("colour", 120)},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name:      proto.String("Extras"),
			Extension: []*descriptorpb.FieldDescriptorProto{extension("size", 110)},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Shop"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("buy"), InputType: proto.String(".shop.Item"), OutputType: proto.String(".shop.Extras"),
			}},
		}},
	}, files)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func testIndex(t *testing.T) *index {
	file := shopFile(t)
	return newIndex(func() []*naru.ServiceDesc {
		return []*naru.ServiceDesc{
			{Name: "shop.Shop", File: file},
			{Name: v1.service, File: v1.file()},
			{Name: v1alpha.service, File: v1alpha.file()},
			{Name: "made.by.Hand"},
			{Name: "shop.Again", File: file},
		}
	})
}

func ask(t *testing.T, x *index, sent sentFiles, req *request) *response {
	t.Helper()
	res, err := x.viewOf(t.Context()).answer(req, sent)
	if err != nil {
		t.Fatalf("%v: %v", req, err)
	}
	if res.GetOriginalRequest() != req || res.GetValidHost() != req.GetHost() {
		t.Errorf("%v: the answer does not repeat the question: %v", req, res)
	}
	return res
}

func paths(t *testing.T, res *response) []string {
	t.Helper()
	var out []string
	for _, b := range res.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(b, f); err != nil {
			t.Fatalf("file %d does not parse: %v", len(out), err)
		}
		out = append(out, f.GetName())
	}
	return out
}

func byName(name string) *request {
	return &request{Host: "h", MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: name}}
}

func bySymbol(name string) *request {
	return &request{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
}

func byExtension(message string, number int32) *request {
	return &request{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{
		FileContainingExtension: &reflectionpb.ExtensionRequest{ContainingType: message, ExtensionNumber: number}}}
}

func numbersOf(message string) *request {
	return &request{MessageRequest: &reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: message}}
}

func list() *request {
	return &request{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"}}
}

func TestListServices(t *testing.T) {
	var got []string
	for _, s := range ask(t, testIndex(t), sentFiles{}, list()).GetListServicesResponse().GetService() {
		got = append(got, s.GetName())
	}
	want := []string{"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "made.by.Hand", "shop.Again", "shop.Shop"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFiles(t *testing.T) {
	typeFiles := []string{"google/protobuf/type.proto", "google/protobuf/any.proto", "google/protobuf/source_context.proto"}
	shopFiles := append([]string{"shop/shop.proto", "shop/base.proto"}, typeFiles...)
	reflected := []string{"grpc/reflection/v1/reflection.proto"}
	for _, tt := range []struct {
		name string
		req  *request
		want []string
	}{
		{"own file by name", byName("shop/shop.proto"), shopFiles},
		{"import of an own file", byName("shop/base.proto"), shopFiles[1:2]},
		{"linked file", byName("google/protobuf/type.proto"), typeFiles},
		{"well-known file by its real name", byName("grpc/reflection/v1/reflection.proto"), reflected},
		{"service", bySymbol("shop.Shop"), shopFiles},
		{"method", bySymbol("shop.Shop.buy"), shopFiles},
		{"message", bySymbol("shop.Item"), shopFiles[1:2]},
		{"with a leading dot", bySymbol(".shop.Item"), shopFiles[1:2]},
		{"extension by its own name", bySymbol("shop.colour"), shopFiles},
		{"extension in a message by its own name", bySymbol("shop.Extras.size"), shopFiles},
		{"linked field", bySymbol("google.protobuf.Type.fields"), typeFiles},
		{"linked enum value, a sibling of its type", bySymbol("google.protobuf.SYNTAX_PROTO3"), typeFiles},
		{"well-known service by its real name", bySymbol("grpc.reflection.v1.ServerReflection"), reflected},
		{"well-known message", bySymbol("grpc.reflection.v1.ExtensionRequest"), reflected},
		{"extension by number", byExtension("shop.Item", 110), shopFiles},
		{"extension at the top by number", byExtension("shop.Item", 120), shopFiles},
		{"linked extension by number", byExtension("google.protobuf.FeatureSet", 1002), []string{"google/protobuf/go_features.proto", "google/protobuf/descriptor.proto"}},
	} {
		if diff := cmp.Diff(tt.want, paths(t, ask(t, testIndex(t), sentFiles{}, tt.req))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestFilesAreWhole(t *testing.T) {
	got := new(descriptorpb.FileDescriptorProto)
	b := ask(t, testIndex(t), sentFiles{}, byName("google/protobuf/type.proto")).GetFileDescriptorResponse().GetFileDescriptorProto()
	if err := proto.Unmarshal(b[0], got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(protodesc.ToFileDescriptorProto(typepb.File_google_protobuf_type_proto), got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestImportsAreSentOnce(t *testing.T) {
	x, sent := testIndex(t), sentFiles{}
	ask(t, x, sent, byName("google/protobuf/any.proto"))
	if got := paths(t, ask(t, x, sent, bySymbol("shop.Shop"))); slices.Contains(got, "google/protobuf/any.proto") || len(got) != 4 {
		t.Errorf("%v, want all but what the client has", got)
	}
	for range 2 {
		if got := paths(t, ask(t, x, sent, bySymbol("shop.Shop"))); len(got) != 1 || got[0] != "shop/shop.proto" {
			t.Errorf("asked again: %v, want the file asked for alone", got)
		}
	}
	if got := paths(t, ask(t, x, sentFiles{}, bySymbol("shop.Shop"))); len(got) != 5 {
		t.Errorf("on another stream: %v, want all", got)
	}
}

func TestExtensionNumbers(t *testing.T) {
	for message, want := range map[string][]int32{
		"shop.Item":                  {110, 120},
		".shop.Item":                 {110, 120},
		"shop.Extras":                nil,
		"google.protobuf.FeatureSet": {1002},
	} {
		res := ask(t, testIndex(t), sentFiles{}, numbersOf(message)).GetAllExtensionNumbersResponse()
		if diff := cmp.Diff(want, res.GetExtensionNumber()); diff != "" || res.GetBaseTypeName() != message {
			t.Errorf("%s: of %q (-want +got):\n%s", message, res.GetBaseTypeName(), diff)
		}
	}
}

func TestNotFound(t *testing.T) {
	for _, req := range []*request{
		byName("shop/nothing.proto"), byName(""), byName("shop/missing.proto"),
		bySymbol("shop.Nothing"), bySymbol(""), bySymbol("not a name"), bySymbol(".."), bySymbol("made.by.Hand"),
		byExtension("shop.Item", 111), byExtension("shop.Nothing", 1), byExtension("", 0), byExtension("shop.Item", -1),
		numbersOf("shop.Nothing"), numbersOf("shop.Shop"), numbersOf(""),
	} {
		e := ask(t, testIndex(t), sentFiles{}, req).GetErrorResponse()
		if codes.Code(e.GetErrorCode()) != codes.NotFound || !strings.Contains(e.GetErrorMessage(), "reflection: no ") {
			t.Errorf("%v: %v, want NOT_FOUND with words", req, e)
		}
	}
}

func TestEmptyQuestion(t *testing.T) {
	if res, err := testIndex(t).viewOf(t.Context()).answer(new(request), sentFiles{}); err == nil {
		t.Errorf("%v, want an error that ends the stream", res)
	}
}

func TestEncodingIsCached(t *testing.T) {
	x := testIndex(t)
	req := byName("google/protobuf/descriptor.proto")
	first := ask(t, x, sentFiles{}, req).GetFileDescriptorResponse().GetFileDescriptorProto()[0]
	again := ask(t, x, sentFiles{}, req).GetFileDescriptorResponse().GetFileDescriptorProto()[0]
	if &first[0] != &again[0] {
		t.Error("the same file was encoded twice")
	}
}

func TestOwnFilesDoNotClash(t *testing.T) {
	// Two services whose files declare the same: the first is described, none is lost.
	a, b := shopFile(t), shopFile(t)
	x := newIndex(func() []*naru.ServiceDesc {
		return []*naru.ServiceDesc{{Name: "shop.Shop", File: a}, {Name: "shop.Other", File: b}}
	})
	v := x.viewOf(t.Context())
	if f, err := v.fileOfSymbol("shop.Shop"); err != nil || f != a {
		t.Errorf("%v, %v; want the first file", f, err)
	}
	if got := fmt.Sprint(v.names()); got != "[shop.Other shop.Shop]" {
		t.Errorf("services %s", got)
	}
}
