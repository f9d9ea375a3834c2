package codegen_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/codegen"
)

// file makes a descriptor in package p with message M and the services given as "Name: method
// method".
func file(name string, messages []string, services ...string) *descriptorpb.FileDescriptorProto {
	f := &descriptorpb.FileDescriptorProto{
		Name:    proto.String(name),
		Package: proto.String(strings.TrimSuffix(name, ".proto")),
		Syntax:  proto.String("proto3"),
		Options: &descriptorpb.FileOptions{GoPackage: proto.String("example.com/p")},
	}
	typeName := "." + f.GetPackage() + "." + messages[0]
	for _, m := range messages {
		f.MessageType = append(f.MessageType, &descriptorpb.DescriptorProto{Name: proto.String(m)})
	}
	for _, s := range services {
		name, methods, _ := strings.Cut(s, ": ")
		sd := &descriptorpb.ServiceDescriptorProto{Name: proto.String(name)}
		for _, m := range strings.Fields(methods) {
			stream := strings.HasPrefix(m, "~")
			sd.Method = append(sd.Method, &descriptorpb.MethodDescriptorProto{
				Name: proto.String(strings.TrimPrefix(m, "~")), ClientStreaming: proto.Bool(stream),
				InputType: proto.String(typeName), OutputType: proto.String(typeName),
			})
		}
		f.Service = append(f.Service, sd)
	}
	return f
}

func TestNameCollisions(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files []*descriptorpb.FileDescriptorProto
		want  []string
	}{
		{"methods that differ in the first letter's case",
			[]*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M"}, "Cart: addItem get AddItem Get")},
			[]string{
				"a.proto: method a.Cart.AddItem needs the Go name AddItem, which method a.Cart.addItem at a.proto has already",
				"a.proto: method a.Cart.Get needs the Go name Get, which method a.Cart.get at a.proto has already",
			}},
		{"methods that differ in underscores",
			[]*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M"}, "Cart: add_item addItem")},
			[]string{"a.proto: method a.Cart.addItem needs the Go name AddItem, which method a.Cart.add_item at a.proto has already"}},
		{"services, once for all their names",
			[]*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M"}, "cart: Get", "Cart: Get")},
			[]string{"a.proto: service a.Cart needs the Go name CartServer, which service a.cart at a.proto has already"}},
		{"services of two files of one Go package",
			[]*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M"}, "Cart: Get"), file("b.proto", []string{"N"}, "Cart: Get")},
			[]string{"b.proto: service b.Cart needs the Go name CartServer, which service a.Cart at a.proto has already"}},
		{"a message called like a stub",
			[]*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M", "CartClient"}, "Cart: Get")},
			[]string{"a.proto: service a.Cart needs the Go name CartClient, which message a.CartClient at a.proto has already"}},
		{"a message called like a stream",
			[]*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M", "Cart_PutServer"}, "Cart: ~put")},
			[]string{"a.proto: method a.Cart.put needs the Go name Cart_PutServer, which message a.Cart_PutServer at a.proto has already"}},
		{"the same message beside a unary method, which needs no such name",
			[]*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M", "Cart_PutServer"}, "Cart: put")}, nil},
		{"methods of two services", []*descriptorpb.FileDescriptorProto{file("a.proto", []string{"M"}, "A: get", "B: Get")}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var names []string
			for _, f := range tc.files {
				names = append(names, f.GetName())
			}
			_, err := generate(t, "", tc.files, names...)
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOwnPackageScope: messages of the messages' package cannot collide with a package of its own.
func TestOwnPackageScope(t *testing.T) {
	f := file("a.proto", []string{"M", "CartClient"}, "Cart: Get")
	if _, err := generate(t, "package=own", []*descriptorpb.FileDescriptorProto{f}, "a.proto"); err != nil {
		t.Errorf("got %v, want no collision: the code goes to a package of its own", err)
	}
}

func TestNameErrorPlaces(t *testing.T) {
	files := readSet(t, "protoc.binpb")
	for _, f := range files {
		if f.GetName() == "shop.proto" {
			s := f.Service[0]
			s.Method[1].Name = proto.String("AddProduct") // where getProduct stands
		}
	}
	_, err := generate(t, "", files, "shop.proto")
	var name *codegen.NameError
	if !errors.As(err, &name) {
		t.Fatalf("got %v, want a NameError", err)
	}
	want := &codegen.NameError{
		GoName: "AddProduct", GoPackage: testdataImport + "/shop",
		First: "method naru.codegen.shop.ProductInfo.addProduct", FirstPlace: codegen.Place{File: "shop.proto", Line: 37, Column: 7},
		Second: "method naru.codegen.shop.ProductInfo.AddProduct", SecondPlace: codegen.Place{File: "shop.proto", Line: 38, Column: 7},
	}
	if diff := cmp.Diff(want, name); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}
