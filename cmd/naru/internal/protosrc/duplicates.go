package protosrc

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The linker stops at a name that is defined twice. renamer gives the second definition another
// name, so that the linker can be asked again about everything else.
type renamer struct {
	taken map[string]bool
	count int
}

// renameDuplicates renames what fd defines twice.
func renameDuplicates(fd *descriptorpb.FileDescriptorProto) {
	r := &renamer{taken: map[string]bool{}}
	scope := ""
	if fd.GetPackage() != "" {
		scope = fd.GetPackage() + "."
	}
	for _, m := range fd.MessageType {
		r.message(scope, m)
	}
	for _, e := range fd.EnumType {
		r.enum(scope, e)
	}
	for _, x := range fd.Extension {
		r.name(scope, &x.Name)
	}
	for _, s := range fd.Service {
		r.name(scope, &s.Name)
		for _, m := range s.Method {
			r.name(scope+s.GetName()+".", &m.Name)
		}
	}

}

// name takes a name in a scope, another if it is taken.
func (r *renamer) name(scope string, name **string) {
	if *name == nil {
		return
	}
	if r.taken[scope+**name] {
		r.count++
		*name = proto.String(fmt.Sprintf("%s__%d", **name, r.count))
	}
	r.taken[scope+**name] = true
}

func (r *renamer) message(scope string, m *descriptorpb.DescriptorProto) {
	r.name(scope, &m.Name)
	inner := scope + m.GetName() + "."
	for _, f := range m.Field {
		r.name(inner, &f.Name)
	}
	for _, o := range m.OneofDecl {
		r.name(inner, &o.Name)
	}
	for _, x := range m.Extension {
		r.name(inner, &x.Name)
	}
	for _, n := range m.NestedType {
		r.message(inner, n)
	}
	for _, e := range m.EnumType {
		r.enum(inner, e)
	}
}

func (r *renamer) enum(scope string, e *descriptorpb.EnumDescriptorProto) {
	r.name(scope, &e.Name)
	for _, v := range e.Value {
		r.name(scope, &v.Name) // values are siblings of their enum
	}
}
