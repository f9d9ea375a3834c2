package reflection

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/narutest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/emptypb" // linked
)

// officeFile has two services, one of which has a method for few; and a comment that names it.
func officeFile(t *testing.T) *naru.ServiceDesc {
	t.Helper()
	empty := proto.String(".google.protobuf.Empty")
	method := func(name string) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{Name: &name, InputType: empty, OutputType: empty}
	}
	files := protodesc.FileOptions{AllowUnresolvable: false}
	f, err := files.New(&descriptorpb.FileDescriptorProto{
		Name: proto.String("office.proto"), Package: proto.String("office"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/empty.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{
			{Name: proto.String("Secret"), Method: []*descriptorpb.MethodDescriptorProto{method("Plan")}},
			{Name: proto.String("Door"), Method: []*descriptorpb.MethodDescriptorProto{method("Open"), method("Vault")}},
		},
		SourceCodeInfo: &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
			{Path: []int32{6, 0}, Span: []int32{0, 0, 1}, LeadingComments: proto.String("Plan is secret.")},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return &naru.ServiceDesc{Name: "office.Door", File: f}
}

// TestFilter: a caller finds what it may call, in all of the protocol's questions, and nothing
// else.
func TestFilter(t *testing.T) {
	file := officeFile(t).File
	desc := func(name string, methods ...string) *naru.ServiceDesc {
		d := &naru.ServiceDesc{Name: name, File: file}
		for _, m := range methods {
			d.Methods = append(d.Methods, naru.MethodDesc{Info: &naru.MethodInfo{FullMethod: "/" + name + "/" + m}})
		}
		return d
	}
	x := newIndex(func() []*naru.ServiceDesc {
		return []*naru.ServiceDesc{
			desc("office.Door", "Open", "Vault"), desc("office.Secret", "Plan"),
			{Name: "shop.Shop", File: shopFile(t), Methods: []naru.MethodDesc{{Info: &naru.MethodInfo{FullMethod: "/shop.Shop/buy"}}}},
		}
	}, WithFilter(func(ctx context.Context, method string) bool {
		who := metadata.ValueFromIncomingContext(ctx, "who")
		return slices.Equal(who, []string{"root"}) || method == "/office.Door/Open"
	}))
	guest := x.viewOf(t.Context())
	root := x.viewOf(metadata.NewIncomingContext(t.Context(), metadata.Pairs("who", "root")))
	ask := func(v *view, req *request) *response {
		t.Helper()
		res, err := v.answer(req, sentFiles{})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if got := fmt.Sprint(guest.names(), root.names()); got != "[office.Door] [office.Door office.Secret shop.Shop]" {
		t.Errorf("services %s", got)
	}
	for _, req := range []*request{byName("office.proto"), bySymbol("office.Door"), bySymbol("office.Door.Open")} {
		res := ask(guest, req)
		if got := paths(t, res); fmt.Sprint(got) != "[office.proto google/protobuf/empty.proto]" {
			t.Errorf("%v: files %v", req, got)
			continue
		}
		b := res.GetFileDescriptorResponse().GetFileDescriptorProto()[0]
		for _, hidden := range []string{"Secret", "Plan", "Vault"} {
			if strings.Contains(string(b), hidden) {
				t.Errorf("%v: the file that is shown has %q", req, hidden)
			}
		}
		if !strings.Contains(string(b), "Open") {
			t.Errorf("%v: the file that is shown lacks what the caller may call", req)
		}
		if b := ask(root, req).GetFileDescriptorResponse().GetFileDescriptorProto()[0]; !strings.Contains(string(b), "Vault") {
			t.Errorf("%v: who may call everything does not see everything", req)
		}
	}
	for _, req := range []*request{
		byName("shop/shop.proto"), byName("google/protobuf/descriptor.proto"), bySymbol("office.Secret"), bySymbol("office.Secret.Plan"),
		bySymbol("office.Door.Vault"), bySymbol("shop.Item"), byExtension("shop.Item", 120), numbersOf("shop.Item"),
	} {
		if e := ask(guest, req).GetErrorResponse(); codes.Code(e.GetErrorCode()) != codes.NotFound {
			t.Errorf("%v: %v, want NOT_FOUND", req, e)
		}
		if e := ask(root, req).GetErrorResponse(); e != nil && req.GetFileByFilename() != "google/protobuf/descriptor.proto" {
			t.Errorf("%v: who may call everything: %v", req, e)
		}
	}
}

// TestFilterKnowsTheCaller: the filter is asked with the context of the call.
func TestFilterKnowsTheCaller(t *testing.T) {
	srv := narutest.NewServer(t, func(s *naru.Server) {
		Register(s, WithFilter(func(ctx context.Context, _ string) bool {
			return len(metadata.ValueFromIncomingContext(ctx, "who")) > 0
		}))
	})
	c := srv.Client()
	for who, want := range map[string]int{"": 0, "root": 2} {
		ctx := t.Context()
		if who != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "who", who)
		}
		if got := call(t, open(ctx, t, c, v1), list()).GetListServicesResponse().GetService(); len(got) != want {
			t.Errorf("%q sees %v", who, got)
		}
	}
}
