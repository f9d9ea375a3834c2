package health

import (
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/health/healthpb"
	"github.com/naru-rpc/naru/internal/wellknown"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ServiceName is the name of the service on the wire.
const ServiceName = "grpc.health.v1.Health"

// The methods. None changes anything, so that retries are safe.
var (
	checkMethod = &naru.MethodInfo{FullMethod: "/" + ServiceName + "/Check", Kind: naru.KindUnary, Idempotency: naru.NoSideEffects}
	listMethod  = &naru.MethodInfo{FullMethod: "/" + ServiceName + "/List", Kind: naru.KindUnary, Idempotency: naru.NoSideEffects}
	watchMethod = &naru.MethodInfo{FullMethod: "/" + ServiceName + "/Watch", Kind: naru.KindServerStream, Idempotency: naru.NoSideEffects}
)

// Register adds the health service to a server, with h's statuses. One h may answer for several
// servers.
func Register(s naru.ServiceRegistrar, h *Server) {
	s.RegisterService(&naru.ServiceDesc{
		Name: ServiceName,
		Methods: []naru.MethodDesc{
			stub.UnaryHandler(checkMethod, h.check),
			stub.UnaryHandler(listMethod, h.list),
			stub.ServerStreamHandler(watchMethod, h.watch),
		},
		File: file(),
	})
}

// file is the protocol's own file for reflection, with the options it is published with.
var file = sync.OnceValue(func() protoreflect.FileDescriptor {
	f, err := wellknown.Rename(healthpb.File_naru_health_v1_health_proto,
		"grpc/health/v1/health.proto", "grpc.health.v1", &descriptorpb.FileOptions{
			CsharpNamespace:    proto.String("Grpc.Health.V1"),
			GoPackage:          proto.String("google.golang.org/grpc/health/grpc_health_v1"),
			JavaMultipleFiles:  proto.Bool(true),
			JavaOuterClassname: proto.String("HealthProto"),
			JavaPackage:        proto.String("io.grpc.health.v1"),
			ObjcClassPrefix:    proto.String("GrpcHealthV1"),
		})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return f
})
