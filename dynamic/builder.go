package dynamic

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// The well-known types, for servers and sets that leave them out.
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/sourcecontextpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/typepb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

// builder makes descriptors of encoded files that come in any order.
type builder struct {
	protos map[string]*descriptorpb.FileDescriptorProto
	files  *protoregistry.Files
}

func newBuilder() *builder {
	return &builder{protos: map[string]*descriptorpb.FileDescriptorProto{}, files: new(protoregistry.Files)}
}

// add keeps a file for build. A second one of the same path must be the same.
func (b *builder) add(f *descriptorpb.FileDescriptorProto) error {
	if old := b.protos[f.GetName()]; old != nil && !proto.Equal(old, f) {
		return fmt.Errorf("dynamic: two different files are named %q", clip(f.GetName()))
	}
	b.protos[f.GetName()] = f
	return nil
}

// missing returns the imports that no file was added for, sorted.
func (b *builder) missing() []string {
	var names []string
	for _, f := range b.protos {
		for _, dep := range f.GetDependency() {
			if b.protos[dep] == nil {
				names = append(names, dep)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// addLinked adds missing imports that the program is linked with, and theirs.
func (b *builder) addLinked() {
	for progress := true; progress; {
		progress = false
		for _, path := range b.missing() {
			if linked, err := protoregistry.GlobalFiles.FindFileByPath(path); err == nil {
				b.protos[path], progress = protodesc.ToFileDescriptorProto(linked), true
			}
		}
	}
}

// build makes descriptors of the files that were added since the last time.
func (b *builder) build() error {
	for _, path := range slices.Sorted(maps.Keys(b.protos)) {
		if err := b.buildFile(path, nil); err != nil {
			return err
		}
	}
	return nil
}

// buildFile makes the descriptor of a file after those of its imports. path is the chain of imports
// that led here.
func (b *builder) buildFile(name string, path []string) error {
	f := b.protos[name]
	if f == nil {
		return nil // missing: what refers to it stays unresolved
	}
	if _, err := b.files.FindFileByPath(name); err == nil {
		return nil
	}
	if slices.Contains(path, name) {
		return fmt.Errorf("dynamic: %q imports itself by way of %q", clip(name), clip(path[len(path)-1]))
	}
	for _, dep := range f.GetDependency() {
		if err := b.buildFile(dep, append(path, name)); err != nil {
			return err
		}
	}
	d, err := protodesc.FileOptions{AllowUnresolvable: true}.New(f, b.files)
	if err == nil {
		err = wellKnown(d)
	}
	if err != nil {
		return fmt.Errorf("dynamic: the descriptor of %q is malformed: %s", clip(name), clip(cleaned(err)))
	}
	if err := b.files.RegisterFile(d); err != nil {
		return fmt.Errorf("dynamic: the file %q conflicts with another of the schema: %s", clip(name), clip(cleaned(err)))
	}
	return nil
}

// wellKnown checks the messages of package google.protobuf that a file declares or uses. JSON has
// rules of its own for them, which rely on their fields.
func wellKnown(s scope) error {
	for i := range s.Messages().Len() {
		m := s.Messages().Get(i)
		if err := sameAsLinked(m); err != nil {
			return err
		}
		for j := range m.Fields().Len() {
			if err := resolved(m.Fields().Get(j)); err != nil {
				return err
			}
		}
		if err := wellKnown(m); err != nil {
			return err
		}
	}
	for i := range s.Extensions().Len() {
		if err := resolved(s.Extensions().Get(i)); err != nil {
			return err
		}
	}
	return nil
}

// resolved refuses a field of a well-known type whose file was not imported.
func resolved(f protoreflect.FieldDescriptor) error {
	if m := f.Message(); m != nil && m.IsPlaceholder() && m.FullName().Parent() == "google.protobuf" {
		return fmt.Errorf("%s is a %s, and the file that declares it is not imported", f.FullName(), m.FullName())
	}
	return nil
}

// sameAsLinked compares the fields of a well-known message with the real ones.
func sameAsLinked(m protoreflect.MessageDescriptor) error {
	if m.FullName().Parent() != "google.protobuf" {
		return nil
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(m.FullName())
	if err != nil {
		return nil
	}
	real, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return fmt.Errorf("%s is not a message in protobuf", m.FullName())
	}
	for i := range real.Fields().Len() {
		want := real.Fields().Get(i)
		got := m.Fields().ByNumber(want.Number())
		if got == nil || got.Kind() != want.Kind() || got.Cardinality() != want.Cardinality() || got.Name() != want.Name() {
			return fmt.Errorf("%s is not as protobuf defines it: field %d", m.FullName(), want.Number())
		}
	}
	return nil
}
