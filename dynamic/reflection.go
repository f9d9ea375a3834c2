package dynamic

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/reflection/reflectionpb"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Bounds of what a server may make a ReflectionSource keep. googleapis as a whole has about 5,000
// files of 25 MB.
const (
	maxReflectedFiles = 20_000
	maxReflectedBytes = 128 << 20
)

// The versions of the protocol, newest first; they differ in the package's name alone.
var reflectionMethods = [...]*naru.MethodInfo{
	{FullMethod: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Kind: naru.KindBidi},
	{FullMethod: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Kind: naru.KindBidi},
}

// ReflectionSource is a [Source] that asks a server by reflection, v1 or else v1alpha. Each
// question that it cannot answer from what it has is a stream that lives only as long as the answer
// takes. Safe for concurrent use.
type ReflectionSource struct {
	// immutable
	cc   naru.ClientConnInterface
	opts []naru.CallOption

	asking chan struct{} // capacity 1: held by the call that asks, so that others may give up waiting

	// guarded by mu; what is read of files is not changed after it was registered
	mu       sync.RWMutex
	version  int // index into reflectionMethods
	known    *builder
	bytes    int
	services []string            // nil: not asked yet
	absent   map[string]struct{} // what the server said it does not have
}

// Reflection returns the source of the server behind cc. The options hold for each call of the
// reflection service: credentials, metadata, a timeout. No call is made before the first question.
func Reflection(cc naru.ClientConnInterface, opts ...naru.CallOption) *ReflectionSource {
	r := &ReflectionSource{cc: cc, opts: opts, asking: make(chan struct{}, 1)}
	r.Reset()
	return r
}

// Reset forgets what the server has said, so that it is asked again. Descriptors that were returned
// stay valid.
func (r *ReflectionSource) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.bytes, r.services, r.absent = newBuilder(), 0, nil, map[string]struct{}{}
}

// Services asks for the names of the server's services, the reflection service included. The answer
// is kept.
func (r *ReflectionSource) Services(ctx context.Context) ([]string, error) {
	r.mu.RLock()
	names := r.services
	r.mu.RUnlock()
	if names != nil {
		return names, nil
	}
	err := r.ask(ctx, func(s *reflectionStream) error {
		res, err := s.ask(&reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"},
		})
		if err != nil {
			return err
		}
		names = []string{}
		for _, svc := range res.GetListServicesResponse().GetService() {
			names = append(names, svc.GetName())
		}
		names = sortedUnique(names)
		r.mu.Lock()
		r.services = names
		r.mu.Unlock()
		return nil
	})
	return names, err
}

// Find asks for the file that declares name, and for what it imports. The error is
// protoregistry.NotFound if the server does not know it, and the status of the call if that fails.
func (r *ReflectionSource) Find(ctx context.Context, name protoreflect.FullName) (protoreflect.Descriptor, error) {
	look := func() (d protoreflect.Descriptor, err error) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		return r.known.files.FindDescriptorByName(name)
	}
	return found(ctx, r, "symbol "+string(name), look, &reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: string(name)},
	})
}

// FindExtension asks for the file that declares an extension.
func (r *ReflectionSource) FindExtension(ctx context.Context, message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionDescriptor, error) {
	look := func() (protoreflect.ExtensionDescriptor, error) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		return extensionOf(r.known.files, message, number)
	}
	return found(ctx, r, fmt.Sprintf("extension %s %d", message, number), look, &reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{
			FileContainingExtension: &reflectionpb.ExtensionRequest{ContainingType: string(message), ExtensionNumber: int32(number)},
		},
	})
}

// found returns what look finds, before or after the server was asked question.
func found[T any](ctx context.Context, r *ReflectionSource, key string, look func() (T, error), question *reflectionpb.ServerReflectionRequest) (T, error) {
	if d, err := look(); err == nil {
		return d, nil
	}
	var none T
	err := r.ask(ctx, func(s *reflectionStream) error {
		if _, err := look(); err == nil || r.isAbsent(key) {
			return nil // asked by another while this one waited
		}
		err := r.load(s, question)
		if status.Code(err) == codes.NotFound {
			r.mu.Lock()
			if len(r.absent) < maxReflectedFiles {
				r.absent[key] = struct{}{}
			}
			r.mu.Unlock()
			return nil
		}
		return err
	})
	if err != nil {
		return none, err
	}
	return look()
}

func (r *ReflectionSource) isAbsent(key string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.absent[key]
	return ok
}

// load asks question and then for imports until none is missing, and makes descriptors of them all.
func (r *ReflectionSource) load(s *reflectionStream, question *reflectionpb.ServerReflectionRequest) error {
	r.mu.RLock()
	next := &builder{protos: maps.Clone(r.known.protos), files: r.known.files}
	size := r.bytes
	r.mu.RUnlock()
	take := func(res *reflectionpb.ServerReflectionResponse) error {
		for _, raw := range res.GetFileDescriptorResponse().GetFileDescriptorProto() {
			f := new(descriptorpb.FileDescriptorProto)
			if err := proto.Unmarshal(raw, f); err != nil {
				return fmt.Errorf("dynamic: the server's reflection sent a malformed file descriptor: %s", cleaned(err))
			}
			if next.protos[f.GetName()] != nil {
				continue // sent again: the first stays
			}
			if size += len(raw); size > maxReflectedBytes || len(next.protos) >= maxReflectedFiles {
				return fmt.Errorf("dynamic: the server's reflection sent more than %d files or %d bytes", maxReflectedFiles, maxReflectedBytes)
			}
			next.protos[f.GetName()] = f
		}
		return nil
	}
	res, err := s.ask(question)
	if err != nil {
		return err
	}
	if err := take(res); err != nil {
		return err
	}
	if err := s.completeImports(next, take); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// A file that was registered cannot be taken out again: on an error nothing of this load may
	// stay.
	files, err := rebuilt(next)
	if err != nil {
		return err
	}
	r.known, r.bytes = files, size
	return nil
}

// rebuilt makes the descriptors of b's files that b.files lacks, in a registry of its own.
func rebuilt(b *builder) (*builder, error) {
	own := &builder{protos: b.protos, files: new(protoregistry.Files)}
	var err error
	b.files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		err = own.files.RegisterFile(f)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return own, own.build()
}

// completeImports asks for missing imports in rounds, as many as imports are deep. One that the
// server does not have is taken from the program, if that is linked with it.
func (s *reflectionStream) completeImports(b *builder, take func(*reflectionpb.ServerReflectionResponse) error) error {
	tried := map[string]bool{}
	for {
		progress := false
		for _, path := range b.missing() {
			if tried[path] {
				continue
			}
			tried[path], progress = true, true
			res, err := s.ask(&reflectionpb.ServerReflectionRequest{
				MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: path},
			})
			switch {
			case err == nil:
				if err := take(res); err != nil {
					return err
				}
			case status.Code(err) != codes.NotFound:
				return err
			}
		}
		if !progress {
			b.addLinked()
			return nil
		}
	}
}

// ask opens a stream for the time of do. If the server does not know the version of the protocol
// that worked last, the other one is tried. One caller asks at a time; others wait for it or for
// the end of their context.
func (r *ReflectionSource) ask(ctx context.Context, do func(*reflectionStream) error) error {
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	r.mu.RLock()
	first := r.version
	r.mu.RUnlock()
	for i := range reflectionMethods {
		version := (first + i) % len(reflectionMethods)
		err := r.attempt(ctx, version, do)
		if status.Code(err) == codes.Unimplemented {
			continue
		}
		r.mu.Lock()
		r.version = version
		r.mu.Unlock()
		return err
	}
	return status.Error(codes.Unimplemented,
		"dynamic: the server does not offer reflection (grpc.reflection.v1 or v1alpha); register it there, or give descriptors here")
}

func (r *ReflectionSource) attempt(ctx context.Context, version int, do func(*reflectionStream) error) error {
	stream, err := r.cc.NewStream(ctx, reflectionMethods[version], r.opts...)
	if err != nil {
		return err
	}
	defer stream.Close()
	return do(&reflectionStream{stream})
}

type reflectionStream struct{ naru.ClientStream }

// ask sends a question and returns its answer. An error of the answer is a status error.
func (s *reflectionStream) ask(q *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
	// If the call has ended, RecvMsg says how.
	_ = s.SendMsg(q)
	res := new(reflectionpb.ServerReflectionResponse)
	if err := s.RecvMsg(res); err != nil {
		if status.Code(err) == codes.OK || status.Code(err) == codes.Unknown {
			return nil, status.Errorf(codes.Internal, "dynamic: the server's reflection ended without an answer: %v", err)
		}
		return nil, err
	}
	if e := res.GetErrorResponse(); e != nil {
		return nil, status.Errorf(codes.Code(e.GetErrorCode()), "dynamic: the server's reflection answered: %s", clip(e.GetErrorMessage()))
	}
	return res, nil
}
