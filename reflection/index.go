package reflection

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/naru-rpc/naru"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// index finds files, first among those of the server's services and what these import, then
// among those linked into the program. Safe for concurrent use.
type index struct {
	// immutable after newIndex
	list    func() []*naru.ServiceDesc
	visible func(ctx context.Context, method string) bool // nil: everything is

	// own holds the services' files that are not the linked ones of the same name: dynamic ones,
	// and the well-known services under their real names. Made with the first question, when all
	// services are registered, and immutable then.
	own func() *protoregistry.Files

	encodings sync.Map // from a file (protoreflect.FileDescriptor) to its encoding ([]byte)
}

func newIndex(list func() []*naru.ServiceDesc, opts ...Option) *index {
	x := &index{list: list}
	for _, opt := range opts {
		opt(x)
	}
	x.own = sync.OnceValue(func() *protoregistry.Files {
		own := new(protoregistry.Files)
		for _, s := range x.list() {
			if s.File != nil {
				addFile(own, s.File)
			}
		}
		return own
	})
	return x
}

// addFile adds a file and what it imports. Of two files that declare the same, the first
// counts: a description of either is better than none.
func addFile(own *protoregistry.Files, f protoreflect.FileDescriptor) {
	if f.IsPlaceholder() {
		return
	}
	if linked, err := protoregistry.GlobalFiles.FindFileByPath(f.Path()); err == nil && linked == f {
		return // and so are its imports
	}
	if own.RegisterFile(f) != nil {
		return
	}
	imports := f.Imports()
	for i := range imports.Len() {
		addFile(own, imports.Get(i).FileDescriptor)
	}
}

// names returns the full names of the visible services, sorted.
func (v *view) names() []string {
	names := make(map[string]bool)
	for _, s := range v.list() {
		if v.services == nil || v.services[s.Name] {
			names[s.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (x *index) fileByPath(path string) (protoreflect.FileDescriptor, error) {
	if f, err := x.own().FindFileByPath(path); err == nil {
		return f, nil
	}
	if f, err := protoregistry.GlobalFiles.FindFileByPath(path); err == nil {
		return f, nil
	}
	return nil, notFound("file %.200q", path)
}

// find returns the declaration of a full name, nil if there is none. A leading dot, with which
// descriptors write names, is let through.
func (x *index) find(name string) protoreflect.Descriptor {
	full := protoreflect.FullName(strings.TrimPrefix(name, "."))
	if !full.IsValid() {
		return nil
	}
	if d, err := x.own().FindDescriptorByName(full); err == nil {
		return d
	}
	if d, err := protoregistry.GlobalFiles.FindDescriptorByName(full); err == nil {
		return d
	}
	return nil
}

func (v *view) fileOfSymbol(name string) (protoreflect.FileDescriptor, error) {
	if d := v.find(name); d != nil && v.seesSymbol(d) {
		return d.ParentFile(), nil
	}
	return nil, notFound("symbol %.200q", name)
}

func (v *view) fileOfExtension(message string, number int32) (protoreflect.FileDescriptor, error) {
	for field := range v.extensions(message) {
		if field.Number() == protoreflect.FieldNumber(number) && v.sees(field.ParentFile()) {
			return field.ParentFile(), nil
		}
	}
	return nil, notFound("extension %d of message %.200q", number, message)
}

// extensionNumbers returns the numbers sorted; none for a message without extensions.
func (v *view) extensionNumbers(message string) ([]int32, error) {
	if d, ok := v.find(message).(protoreflect.MessageDescriptor); !ok || !v.sees(d.ParentFile()) {
		return nil, notFound("message %.200q", message)
	}
	var numbers []int32
	for field := range v.extensions(message) {
		if v.sees(field.ParentFile()) {
			numbers = append(numbers, int32(field.Number()))
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// extensions yields the known extensions of a message, own ones first.
func (x *index) extensions(message string) func(yield func(protoreflect.FieldDescriptor) bool) {
	full := protoreflect.FullName(strings.TrimPrefix(message, "."))
	return func(yield func(protoreflect.FieldDescriptor) bool) {
		more := true
		x.own().RangeFiles(func(f protoreflect.FileDescriptor) bool {
			more = rangeExtensions(f, full, yield)
			return more
		})
		if !more {
			return
		}
		protoregistry.GlobalTypes.RangeExtensionsByMessage(full, func(t protoreflect.ExtensionType) bool {
			return yield(t.TypeDescriptor())
		})
	}
}

// declares is what a file and a message have in common.
type declares interface {
	Messages() protoreflect.MessageDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

func rangeExtensions(in declares, message protoreflect.FullName, yield func(protoreflect.FieldDescriptor) bool) bool {
	extensions := in.Extensions()
	for i := range extensions.Len() {
		if e := extensions.Get(i); e.ContainingMessage().FullName() == message && !yield(e) {
			return false
		}
	}
	messages := in.Messages()
	for i := range messages.Len() {
		if !rangeExtensions(messages.Get(i), message, yield) {
			return false
		}
	}
	return true
}

// resolved returns the file an import stands for: where it was not at hand when the importing
// file was made, the one of that name that is now, or nil.
func (x *index) resolved(f protoreflect.FileDescriptor) protoreflect.FileDescriptor {
	if !f.IsPlaceholder() {
		return f
	}
	if found, err := x.fileByPath(f.Path()); err == nil {
		return found
	}
	return nil
}

// encoded returns the FileDescriptorProto of a file. Files do not change, so that each is
// encoded once.
func (x *index) encoded(f protoreflect.FileDescriptor) ([]byte, error) {
	if b, ok := x.encodings.Load(f); ok {
		return b.([]byte), nil
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(protodesc.ToFileDescriptorProto(f))
	if err != nil {
		return nil, fmt.Errorf("reflection: encode %s: %w", f.Path(), err)
	}
	x.encodings.Store(f, b)
	return b, nil
}
