// Package wellknown gives files of naru's own the names under which gRPC publishes them.
//
// A program can link only one file of a name, and other gRPC libraries bring grpc.health.v1 and
// grpc.reflection.v1 with them. naru's Go types of these are therefore declared in packages of
// its own. What reflection shows has to have the real names; it is made here from the linked
// descriptor, so that there is no second copy to fall behind.
package wellknown

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Rename returns file as it would be with another path, package and options. It registers
// nothing. file must have no imports and no options on anything but itself: what is declared
// elsewhere would keep its names.
func Rename(file protoreflect.FileDescriptor, path, pkg string, options *descriptorpb.FileOptions) (protoreflect.FileDescriptor, error) {
	if n := file.Imports().Len(); n > 0 {
		return nil, fmt.Errorf("wellknown: rename %s: it has %d imports", file.Path(), n)
	}
	was, is := "."+string(file.Package())+".", "."+pkg+"."
	p := protodesc.ToFileDescriptorProto(file)
	p.Name, p.Package, p.Options = &path, &pkg, options
	for _, m := range p.MessageType {
		renameMessage(m, was, is)
	}
	for _, s := range p.Service {
		for _, m := range s.Method {
			rename(&m.InputType, was, is)
			rename(&m.OutputType, was, is)
		}
	}
	renamed, err := protodesc.NewFile(p, nil)
	if err != nil {
		return nil, fmt.Errorf("wellknown: rename %s: %w", file.Path(), err)
	}
	return renamed, nil
}

func renameMessage(m *descriptorpb.DescriptorProto, was, is string) {
	for _, f := range m.Field {
		rename(&f.TypeName, was, is)
	}
	for _, nested := range m.NestedType {
		renameMessage(nested, was, is)
	}
}

// rename changes the package of a type's name, which is given with a leading dot, if at all.
func rename(name **string, was, is string) {
	if *name == nil {
		return
	}
	if rest, ok := strings.CutPrefix(**name, was); ok {
		*name = proto.String(is + rest)
	}
}
