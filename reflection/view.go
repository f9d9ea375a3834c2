package reflection

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// An Option changes what Register and its like serve.
type Option func(*index)

// WithFilter lets each caller see only what it may call. visible is asked with the context of the
// reflection call, which holds the caller, and a method's path, "/package.Service/Method";
// policy.Rules.Allowed is such a function. It must be safe for concurrent use, and quick: it is
// asked for each method of each service, once for each stream.
//
// A service is listed if one of its methods is visible. Files are served if such a service is
// declared in them, or they are imported by such a file, without the services and methods that are
// not visible. Messages are left as they are. Without this option every caller sees everything that
// is linked into the program.
func WithFilter(visible func(ctx context.Context, method string) bool) Option {
	return func(x *index) { x.visible = visible }
}

// view is what one stream's caller sees. It belongs to the stream's goroutine.
type view struct {
	*index
	// services and files hold what is visible, by name and path. Both are nil if everything is.
	services map[string]bool
	files    map[string]bool
	ctx      context.Context
}

// viewOf finds out what the caller of ctx sees.
func (x *index) viewOf(ctx context.Context) *view {
	v := &view{index: x, ctx: ctx}
	if x.visible == nil {
		return v
	}
	v.services, v.files = make(map[string]bool), make(map[string]bool)
	for _, s := range x.list() {
		shown := len(s.Methods) == 0
		for i := range s.Methods {
			shown = shown || x.visible(ctx, s.Methods[i].Info.FullMethod)
		}
		if !shown {
			continue
		}
		v.services[s.Name] = true
		if d := x.find(s.Name); d != nil {
			v.addFile(d.ParentFile())
		}
	}
	return v
}

// addFile makes a file visible, and what it imports.
func (v *view) addFile(f protoreflect.FileDescriptor) {
	if v.files[f.Path()] {
		return
	}
	v.files[f.Path()] = true
	imports := f.Imports()
	for i := range imports.Len() {
		if imported := v.resolved(imports.Get(i).FileDescriptor); imported != nil {
			v.addFile(imported)
		}
	}
}

// sees reports whether a file is visible.
func (v *view) sees(f protoreflect.FileDescriptor) bool { return v.files == nil || v.files[f.Path()] }

// seesSymbol reports whether a declaration is visible.
func (v *view) seesSymbol(d protoreflect.Descriptor) bool {
	if !v.sees(d.ParentFile()) {
		return false
	}
	switch d := d.(type) {
	case protoreflect.ServiceDescriptor:
		return v.seesService(d)
	case protoreflect.MethodDescriptor:
		return v.seesMethod(d)
	}
	return true
}

func (v *view) seesService(d protoreflect.ServiceDescriptor) bool {
	return v.files == nil || v.services[string(d.FullName())]
}

func (v *view) seesMethod(d protoreflect.MethodDescriptor) bool {
	return v.files == nil || v.visible(v.ctx, "/"+string(d.Parent().FullName())+"/"+string(d.Name()))
}

// encoded returns the FileDescriptorProto of a visible file.
func (v *view) encoded(f protoreflect.FileDescriptor) ([]byte, error) {
	if v.files == nil || v.complete(f) {
		return v.index.encoded(f)
	}
	p := protodesc.ToFileDescriptorProto(f)
	var services []*descriptorpb.ServiceDescriptorProto
	for i, s := range p.Service {
		d := f.Services().Get(i)
		if !v.seesService(d) {
			continue
		}
		var methods []*descriptorpb.MethodDescriptorProto
		for j, m := range s.Method {
			if v.seesMethod(d.Methods().Get(j)) {
				methods = append(methods, m)
			}
		}
		s.Method = methods
		services = append(services, s)
	}
	p.Service = services
	p.SourceCodeInfo = nil // its paths count the services that are there no more, and it may quote the others
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("reflection: encode %s: %w", f.Path(), err)
	}
	return b, nil
}

// complete reports whether everything in a file is visible.
func (v *view) complete(f protoreflect.FileDescriptor) bool {
	services := f.Services()
	for i := range services.Len() {
		s := services.Get(i)
		if !v.seesService(s) {
			return false
		}
		methods := s.Methods()
		for j := range methods.Len() {
			if !v.seesMethod(methods.Get(j)) {
				return false
			}
		}
	}
	return true
}
