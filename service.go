package naru

import (
	"context"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// ServiceRegistrar is what generated RegisterXServer functions take. *Server is one.
type ServiceRegistrar interface {
	// RegisterService adds a service. Mistakes (a name registered twice, a method twice, registering
	// after Serve) are reported by Serve and ListenAndServe.
	RegisterService(desc *ServiceDesc)
}

// ServiceDesc describes a service and its handlers. Generated code builds it.
type ServiceDesc struct {
	Name    string // full name: "package.Service"
	Methods []MethodDesc
	// File is the file the service is declared in, for reflection; nil if unknown.
	File protoreflect.FileDescriptor
}

// MethodDesc is a method together with its handler.
type MethodDesc struct {
	info  *MethodInfo
	serve func() // TODO(rpc): shape belongs to the RPC layer
}

// Info returns the method's description.
func (m *MethodDesc) Info() *MethodInfo { return m.info }

// UnaryHandler binds a typed handler to a unary method.
func UnaryHandler[Req, Res any](m *MethodInfo, h func(context.Context, *Req) (*Res, error)) MethodDesc {
	return MethodDesc{info: m}
}

// ServerStreamHandler binds a typed handler to a server-streaming method.
func ServerStreamHandler[Req, Res any](m *MethodInfo, h func(*Req, ServerStreamingServer[Res]) error) MethodDesc {
	return MethodDesc{info: m}
}

// ClientStreamHandler binds a typed handler to a client-streaming method.
func ClientStreamHandler[Req, Res any](m *MethodInfo, h func(ClientStreamingServer[Req, Res]) error) MethodDesc {
	return MethodDesc{info: m}
}

// BidiStreamHandler binds a typed handler to a bidirectional method.
func BidiStreamHandler[Req, Res any](m *MethodInfo, h func(BidiStreamingServer[Req, Res]) error) MethodDesc {
	return MethodDesc{info: m}
}
