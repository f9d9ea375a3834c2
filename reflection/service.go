package reflection

import (
	"errors"
	"io"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/wellknown"
	"github.com/naru-rpc/naru/reflection/reflectionpb"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A Registrar is a server that can tell its services. *naru.Server is one.
type Registrar interface {
	naru.ServiceRegistrar
	// Services returns the services registered so far.
	Services() []*naru.ServiceDesc
}

// Register adds reflection to a server in both versions, which is what tools of all ages find
// their way with. The order among other registrations does not matter.
func Register(s Registrar, opts ...Option) {
	index := newIndex(s.Services, opts...)
	register(s, index, v1)
	register(s, index, v1alpha)
}

// RegisterV1 adds grpc.reflection.v1 alone.
func RegisterV1(s Registrar, opts ...Option) { register(s, newIndex(s.Services, opts...), v1) }

// RegisterV1Alpha adds grpc.reflection.v1alpha alone, for tools that know no other version.
func RegisterV1Alpha(s Registrar, opts ...Option) {
	register(s, newIndex(s.Services, opts...), v1alpha)
}

// version is one of the two versions of the service, which differ in the package's name.
type version struct {
	service string
	file    func() protoreflect.FileDescriptor
}

var (
	v1      = newVersion("v1", nil)
	v1alpha = newVersion("v1alpha", proto.Bool(true))
)

func newVersion(name string, deprecated *bool) version {
	pkg := "grpc.reflection." + name
	return version{
		service: pkg + ".ServerReflection",
		file: sync.OnceValue(func() protoreflect.FileDescriptor {
			f, err := wellknown.Rename(reflectionpb.File_naru_reflection_v1_reflection_proto,
				"grpc/reflection/"+name+"/reflection.proto", pkg, &descriptorpb.FileOptions{
					Deprecated:         deprecated,
					GoPackage:          proto.String("google.golang.org/grpc/reflection/grpc_reflection_" + name),
					JavaMultipleFiles:  proto.Bool(true),
					JavaOuterClassname: proto.String("ServerReflectionProto"),
					JavaPackage:        proto.String("io." + pkg),
				})
			if err != nil {
				panic("BUG: " + err.Error())
			}
			return f
		}),
	}
}

func register(s Registrar, x *index, v version) {
	method := &naru.MethodInfo{
		FullMethod: "/" + v.service + "/ServerReflectionInfo",
		Kind:       naru.KindBidi,
	}
	s.RegisterService(&naru.ServiceDesc{
		Name:    v.service,
		Methods: []naru.MethodDesc{stub.BidiStreamHandler(method, x.serve)},
		File:    v.file(),
	})
}

type (
	request  = reflectionpb.ServerReflectionRequest
	response = reflectionpb.ServerReflectionResponse
	stream   = naru.BidiStreamingServer[request, response]
)

// received is a question, or what Recv returned in place of one.
type received struct {
	req *request
	err error
}

// serve answers the questions of one stream in their order.
func (x *index) serve(s stream) error {
	// Unbuffered: the next question is read when the one before is answered. Nobody closes it.
	questions := make(chan received)
	done := make(chan struct{}) // closed when this function returns
	defer close(done)
	go receive(s, questions, done)
	draining := naru.Draining(s.Context())
	sent := make(sentFiles)
	view := x.viewOf(s.Context())
	for {
		select {
		case q := <-questions:
			if errors.Is(q.err, io.EOF) {
				return nil
			}
			if q.err != nil {
				return q.err
			}
			res, err := view.answer(q.req, sent)
			if err != nil {
				return err
			}
			if err := s.Send(res); err != nil {
				return err
			}
		case <-draining:
			return status.Error(codes.Unavailable, "reflection: the connection is draining; ask again")
		}
	}
}

func receive(s stream, questions chan<- received, done <-chan struct{}) {
	for {
		req, err := s.Recv()
		select {
		case questions <- received{req, err}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}
