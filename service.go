package naru

import (
	"github.com/naru-rpc/naru/internal/handler"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ServiceRegistrar is what generated RegisterXServer functions take. *Server is one.
type ServiceRegistrar interface {
	// RegisterService adds a service. Mistakes (a name registered twice, a method twice,
	// registering after Serve) are reported by Serve and ListenAndServe.
	RegisterService(desc *ServiceDesc)
}

// ServiceDesc describes a service and its handlers. Generated code builds it.
type ServiceDesc struct {
	// Name is the full name: "package.Service".
	Name string
	// Methods are the service's methods, in the order of the .proto file.
	Methods []MethodDesc
	// File is the file the service is declared in, for reflection; nil if unknown.
	File protoreflect.FileDescriptor
}

// MethodDesc is a method together with its handler. The functions of package stub make it.
type MethodDesc struct {
	// Info is the method's description.
	Info *MethodInfo
	// Handler serves the method's calls.
	Handler handler.Handler
}
