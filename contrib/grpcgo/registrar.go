package grpcgo

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Interceptors are what a Registrar runs around the handlers of the services registered with it.
// They run inside the interceptors of the naru server. The zero value is none.
type Interceptors struct {
	// Unary runs around unary handlers, the first one outermost.
	Unary []grpc.UnaryServerInterceptor
	// Stream runs around the handlers of streams, the first one outermost.
	Stream []grpc.StreamServerInterceptor
}

// A Registrar is a grpc.ServiceRegistrar that serves on a naru server: what the RegisterXServer
// functions of protoc-gen-go-grpc take, also grpc-go's health and reflection services. Safe for
// concurrent use.
type Registrar struct {
	// immutable
	server *naru.Server
	unary  grpc.UnaryServerInterceptor  // nil: none
	stream grpc.StreamServerInterceptor // nil: none
	serverTraits

	// guarded by mu
	mu       sync.Mutex
	services map[string]grpc.ServiceInfo
}

// serverTraits is what options of a server mean for each call.
type serverTraits struct {
	insecure bool            // see serverCall
	counted  bool            // there are stats handlers
	handlers *sync.WaitGroup // counts running calls; nil: GracefulStop does not wait for them
}

// NewRegistrar returns a registrar for s. Services of naru and of grpc-go may be mixed on s. A
// server that is to take grpc-go's registered codecs and compressors is made with the option
// [Encoding].
func NewRegistrar(s *naru.Server, in Interceptors) *Registrar {
	return &Registrar{
		server:   s,
		unary:    chainUnary(in.Unary),
		stream:   chainStream(in.Stream),
		services: make(map[string]grpc.ServiceInfo),
	}
}

// RegisterService implements grpc.ServiceRegistrar. It panics if impl does not implement the
// service or if the service is registered already, for which grpc-go ends the process. Mistakes
// that naru finds, such as a registration after the server has begun to serve, are returned by the
// server's Serve.
func (r *Registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if impl != nil {
		want := reflect.TypeOf(desc.HandlerType).Elem()
		if got := reflect.TypeOf(impl); !got.Implements(want) {
			panic(fmt.Sprintf("grpcgo: register service %s: %v does not implement %v", desc.ServiceName, got, want))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.services[desc.ServiceName]; ok {
		panic(fmt.Sprintf("grpcgo: register service %s: it is registered already", desc.ServiceName))
	}
	info := grpc.ServiceInfo{Metadata: desc.Metadata}
	out := &naru.ServiceDesc{Name: desc.ServiceName, File: fileOf(desc.Metadata)}
	for i := range desc.Methods {
		m := &desc.Methods[i]
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: m.MethodName})
		out.Methods = append(out.Methods, r.unaryMethod(desc.ServiceName, m, impl))
	}
	for i := range desc.Streams {
		s := &desc.Streams[i]
		info.Methods = append(info.Methods, grpc.MethodInfo{
			Name: s.StreamName, IsClientStream: s.ClientStreams, IsServerStream: s.ServerStreams,
		})
		out.Methods = append(out.Methods, r.streamMethod(desc.ServiceName, s, impl))
	}
	r.services[desc.ServiceName] = info
	r.server.RegisterService(out)
}

// GetServiceInfo returns what is registered on the naru server, by service name: with this
// registrar and, so that grpc-go's reflection shows everything, services of naru.
func (r *Registrar) GetServiceInfo() map[string]grpc.ServiceInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]grpc.ServiceInfo, len(r.services))
	for _, d := range r.server.Services() {
		if info, ok := r.services[d.Name]; ok {
			all[d.Name] = info
			continue
		}
		info := grpc.ServiceInfo{}
		if d.File != nil {
			info.Metadata = d.File.Path()
		}
		for _, m := range d.Methods {
			info.Methods = append(info.Methods, grpc.MethodInfo{
				Name: m.Info.Name(), IsClientStream: m.Info.Kind.ClientStreams(), IsServerStream: m.Info.Kind.ServerStreams(),
			})
		}
		all[d.Name] = info
	}
	return all
}

// Naru returns the naru server behind the registrar.
func (r *Registrar) Naru() *naru.Server { return r.server }

// fileOf finds the descriptor of a service's file: generated code names it in Metadata.
func fileOf(metadata any) protoreflect.FileDescriptor {
	path, ok := metadata.(string)
	if !ok {
		return nil
	}
	file, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		return nil // of another protobuf library, or generated without a descriptor
	}
	return file
}

func (r *Registrar) unaryMethod(service string, m *grpc.MethodDesc, impl any) naru.MethodDesc {
	handle := m.Handler
	return stub.UntypedHandler(&naru.MethodInfo{FullMethod: "/" + service + "/" + m.MethodName}, func(s naru.ServerStream) error {
		return r.serveUnary(s, handle, impl)
	})
}

func (r *Registrar) streamMethod(service string, d *grpc.StreamDesc, impl any) naru.MethodDesc {
	info := &grpc.StreamServerInfo{
		FullMethod:     "/" + service + "/" + d.StreamName,
		IsClientStream: d.ClientStreams, IsServerStream: d.ServerStreams,
	}
	handle := d.Handler
	return stub.UntypedHandler(&naru.MethodInfo{FullMethod: info.FullMethod, Kind: kindOf(d)}, func(s naru.ServerStream) error {
		return r.serveStream(s, handle, impl, info)
	})
}

func kindOf(d *grpc.StreamDesc) naru.Kind {
	switch {
	case d.ClientStreams && d.ServerStreams:
		return naru.KindBidi
	case d.ClientStreams:
		return naru.KindClientStream
	case d.ServerStreams:
		return naru.KindServerStream
	}
	return naru.KindUnary
}
