package dynamic

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Source finds descriptors by name. Implementations must be safe for concurrent use, and report
// what they do not have with an error for which errors.Is(err, protoregistry.NotFound) holds.
type Source interface {
	// Services returns the full names of the services there are, sorted.
	Services(ctx context.Context) ([]string, error)
	// Find returns the descriptor with a full name: a service, method, message, enum, field,
	// oneof or extension.
	Find(ctx context.Context, name protoreflect.FullName) (protoreflect.Descriptor, error)
	// FindExtension returns the extension of a message that has a field number.
	FindExtension(ctx context.Context, message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionDescriptor, error)
}

// Linked returns the source of what the program was linked with: protoregistry.GlobalFiles.
func Linked() Source { return Files(protoregistry.GlobalFiles) }

// Files returns the source of a registry. The registry must not change while the source is in use,
// other than protoregistry.GlobalFiles.
func Files(files *protoregistry.Files) Source { return registrySource{files} }

// DescriptorSet returns the source of an encoded google.protobuf.FileDescriptorSet, as protoc
// writes with --descriptor_set_out and --include_imports. An import that the set lacks is taken
// from the program if it is linked with it; otherwise what refers to the import is left unresolved.
// The error names a file of the set that is malformed or conflicts with another.
func DescriptorSet(encoded []byte) (Source, error) {
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(encoded, set); err != nil {
		return nil, fmt.Errorf("dynamic: not a google.protobuf.FileDescriptorSet: %s", cleaned(err))
	}
	b := newBuilder()
	for _, f := range set.GetFile() {
		if err := b.add(f); err != nil {
			return nil, err
		}
	}
	b.addLinked()
	if err := b.build(); err != nil {
		return nil, err
	}
	return registrySource{b.files}, nil
}

// Join returns a source that asks sources in turn: the first that has a name decides. Services are
// those of all. An error other than not found ends the search.
func Join(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	return joined(slices.Clone(sources))
}

type joined []Source

// Reset resets the sources that can be.
func (j joined) Reset() {
	for _, s := range j {
		if r, ok := s.(interface{ Reset() }); ok {
			r.Reset()
		}
	}
}

func (j joined) Services(ctx context.Context) ([]string, error) {
	var all []string
	for _, s := range j {
		names, err := s.Services(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (j joined) Find(ctx context.Context, name protoreflect.FullName) (protoreflect.Descriptor, error) {
	return firstOf(j, func(s Source) (protoreflect.Descriptor, error) { return s.Find(ctx, name) })
}

func (j joined) FindExtension(ctx context.Context, message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionDescriptor, error) {
	return firstOf(j, func(s Source) (protoreflect.ExtensionDescriptor, error) {
		return s.FindExtension(ctx, message, number)
	})
}

func firstOf[T any](sources []Source, find func(Source) (T, error)) (T, error) {
	var none T
	for _, s := range sources {
		d, err := find(s)
		if err == nil {
			return d, nil
		}
		if !errors.Is(err, protoregistry.NotFound) {
			return none, err
		}
	}
	return none, protoregistry.NotFound
}

type registrySource struct{ files *protoregistry.Files }

func (r registrySource) Services(context.Context) ([]string, error) {
	return servicesOf(r.files), nil
}

func (r registrySource) Find(_ context.Context, name protoreflect.FullName) (protoreflect.Descriptor, error) {
	return r.files.FindDescriptorByName(name)
}

func (r registrySource) FindExtension(_ context.Context, message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionDescriptor, error) {
	return extensionOf(r.files, message, number)
}

func servicesOf(files *protoregistry.Files) []string {
	var names []string
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			names = append(names, string(f.Services().Get(i).FullName()))
		}
		return true
	})
	slices.Sort(names)
	return names
}

// extensionOf looks through all files: extensions are rare, and registries have no index of them.
func extensionOf(files *protoregistry.Files, message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionDescriptor, error) {
	var found protoreflect.ExtensionDescriptor
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		found = extensionIn(f, message, number)
		return found == nil
	})
	if found == nil {
		return nil, protoregistry.NotFound
	}
	return found, nil
}

// scope is what declares extensions: a file or a message.
type scope interface {
	Extensions() protoreflect.ExtensionDescriptors
	Messages() protoreflect.MessageDescriptors
}

func extensionIn(s scope, message protoreflect.FullName, number protoreflect.FieldNumber) protoreflect.ExtensionDescriptor {
	for i := range s.Extensions().Len() {
		if x := s.Extensions().Get(i); x.Number() == number && x.ContainingMessage().FullName() == message {
			return x
		}
	}
	for i := range s.Messages().Len() {
		if x := extensionIn(s.Messages().Get(i), message, number); x != nil {
			return x
		}
	}
	return nil
}
