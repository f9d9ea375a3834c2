package dynamic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/reflection/reflectionpb"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

func file(name string, deps ...string) *descriptorpb.FileDescriptorProto {
	message := strings.NewReplacer(".", "_", "/", "_").Replace(name)
	return &descriptorpb.FileDescriptorProto{
		Name: &name, Package: proto.String("p"), Dependency: deps,
		MessageType: []*descriptorpb.DescriptorProto{{Name: &message}},
	}
}

func set(t testing.TB, files ...*descriptorpb.FileDescriptorProto) []byte {
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestDescriptorSet(t *testing.T) {
	other := file("a.proto")
	other.Package = proto.String("q")
	conflict := file("b.proto")
	conflict.MessageType[0].Name = proto.String("a_proto")
	fieldless := file("google/protobuf/any.proto")
	fieldless.Package, fieldless.MessageType[0].Name = proto.String("google.protobuf"), proto.String("Any")
	undeclared := file("a.proto")
	undeclared.MessageType[0].Field = []*descriptorpb.FieldDescriptorProto{{
		Name: proto.String("x"), Number: proto.Int32(1), TypeName: proto.String(".google.protobuf.Any"),
		Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}}
	for _, tc := range []struct {
		name string
		raw  []byte
		want string // "" if it is sound
	}{
		{"an Any without fields", set(t, fieldless), "not as protobuf defines it"},
		{"an Any without an import", set(t, undeclared), "not imported"},
		{"in any order", set(t, file("c.proto", "b.proto"), file("a.proto"), file("b.proto", "a.proto")), ""},
		{"the same twice", set(t, file("a.proto"), file("a.proto")), ""},
		{"an import missing", set(t, file("a.proto", "gone.proto")), ""},
		{"empty", nil, ""},
		{"no set", []byte("text"), "not a google.protobuf.FileDescriptorSet"},
		{"two of a name", set(t, file("a.proto"), other), `two different files are named "a.proto"`},
		{"a circle", set(t, file("a.proto", "b.proto"), file("b.proto", "a.proto")), "imports itself"},
		{"a symbol twice", set(t, file("a.proto"), conflict), `"b.proto" conflicts`},
		{"no name", set(t, &descriptorpb.FileDescriptorProto{}), "malformed"},
	} {
		_, err := DescriptorSet(tc.raw)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestJoin(t *testing.T) {
	a, errA := DescriptorSet(set(t, file("a.proto")))
	z, errZ := DescriptorSet(zooSet(t))
	if errA != nil || errZ != nil {
		t.Fatal(errA, errZ)
	}
	broken := brokenSource{errors.New("no network")}
	j := Join(a, z)
	if d, err := j.Find(t.Context(), "zoo.v1.Animal"); err != nil || d.FullName() != "zoo.v1.Animal" {
		t.Errorf("the second has it: got %v, %v", d, err)
	}
	if x, err := j.FindExtension(t.Context(), "zoo.v1.Animal", 100); err != nil || x.FullName() != "zoo.v1.stripes" {
		t.Errorf("its extension: got %v, %v", x, err)
	}
	if _, err := j.FindExtension(t.Context(), "zoo.v1.Animal", 101); !errors.Is(err, protoregistry.NotFound) {
		t.Errorf("no extension: got %v", err)
	}
	if _, err := j.Find(t.Context(), "none.At"); !errors.Is(err, protoregistry.NotFound) {
		t.Errorf("in neither: got %v", err)
	}
	if _, err := Join(a, broken, z).Find(t.Context(), "zoo.v1.Animal"); err != broken.err {
		t.Errorf("a source that fails: got %v", err)
	}
	if names, err := Join(z, z, a).Services(t.Context()); err != nil || !slices.Equal(names, []string{"zoo.v1.Farm", "zoo.v1.Zoo"}) {
		t.Errorf("services: got %v, %v", names, err)
	}
	if d, err := Linked().Find(t.Context(), "google.protobuf.Any"); err != nil || d == nil {
		t.Errorf("linked: got %v, %v", d, err)
	}
}

type brokenSource struct{ err error }

func (b brokenSource) Services(context.Context) ([]string, error) { return nil, b.err }
func (b brokenSource) Find(context.Context, protoreflect.FullName) (protoreflect.Descriptor, error) {
	return nil, b.err
}
func (b brokenSource) FindExtension(context.Context, protoreflect.FullName, protoreflect.FieldNumber) (protoreflect.ExtensionDescriptor, error) {
	return nil, b.err
}

// answers serves reflection by a function, under one version of the protocol.
func answers(t *testing.T, version string, answer func(*reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error)) *ReflectionSource {
	t.Helper()
	name := "grpc.reflection." + version + ".ServerReflection"
	info := &naru.MethodInfo{FullMethod: "/" + name + "/ServerReflectionInfo", Kind: naru.KindBidi}
	srv := narutest.NewServer(t, func(s *naru.Server) {
		s.RegisterService(&naru.ServiceDesc{Name: name, Methods: []naru.MethodDesc{stub.BidiStreamHandler(info,
			func(s naru.BidiStreamingServer[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse]) error {
				for q, err := range s.All() {
					if err != nil {
						return err
					}
					res, err := answer(q)
					if err != nil {
						return err
					}
					if err := s.Send(res); err != nil {
						return err
					}
				}
				return nil
			})}})
	})
	return Reflection(srv.Client())
}

func filesAnswer(t *testing.T, files ...*descriptorpb.FileDescriptorProto) *reflectionpb.ServerReflectionResponse {
	res := new(reflectionpb.FileDescriptorResponse)
	for _, f := range files {
		raw, err := proto.Marshal(f)
		if err != nil {
			t.Error(err)
		}
		res.FileDescriptorProto = append(res.FileDescriptorProto, raw)
	}
	return &reflectionpb.ServerReflectionResponse{
		MessageResponse: &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: res},
	}
}

func notFound() *reflectionpb.ServerReflectionResponse {
	return &reflectionpb.ServerReflectionResponse{MessageResponse: &reflectionpb.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: int32(codes.NotFound), ErrorMessage: "none"},
	}}
}

// Servers differ in what they send beside the file asked for, and in the version they speak.
func TestReflectionImports(t *testing.T) {
	for _, version := range []string{"v1", "v1alpha"} {
		asked := map[string]int{}
		r := answers(t, version, func(q *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
			if s := q.GetFileContainingSymbol(); s != "" {
				asked[s]++
				if s == "p.a_proto" {
					return filesAnswer(t, file("a.proto", "b.proto", "google/protobuf/any.proto", "gone.proto")), nil
				}
				return notFound(), nil
			}
			asked[q.GetFileByFilename()]++
			if q.GetFileByFilename() == "b.proto" {
				return filesAnswer(t, file("b.proto", "c.proto"), file("c.proto")), nil
			}
			return notFound(), nil
		})
		for range 2 {
			for _, name := range []protoreflect.FullName{"p.a_proto", "p.b_proto", "p.c_proto"} {
				if _, err := r.Find(t.Context(), name); err != nil {
					t.Errorf("%s: %s: %v", version, name, err)
				}
			}
			if _, err := r.Find(t.Context(), "p.none"); !errors.Is(err, protoregistry.NotFound) {
				t.Errorf("%s: got %v, want NotFound", version, err)
			}
		}
		for name, n := range asked {
			if n != 1 {
				t.Errorf("%s: asked %d times for %s", version, n, name)
			}
		}
		if len(asked) != 5 {
			t.Errorf("%s: asked for %v", version, asked)
		}
	}
}

// What a broken or hostile server sends is an error, and leaves the source as it was.
func TestReflectionBroken(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(t *testing.T) (*reflectionpb.ServerReflectionResponse, error)
		want   string
	}{
		{"bytes", func(*testing.T) (*reflectionpb.ServerReflectionResponse, error) {
			return &reflectionpb.ServerReflectionResponse{MessageResponse: &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{
				FileDescriptorResponse: &reflectionpb.FileDescriptorResponse{FileDescriptorProto: [][]byte{[]byte("text")}}}}, nil
		}, "malformed file descriptor"},
		{"a circle", func(t *testing.T) (*reflectionpb.ServerReflectionResponse, error) {
			return filesAnswer(t, file("a.proto", "b.proto"), file("b.proto", "a.proto")), nil
		}, "imports itself"},
		{"an error", func(*testing.T) (*reflectionpb.ServerReflectionResponse, error) {
			return nil, status.Error(codes.PermissionDenied, "not for you")
		}, "not for you"},
		{"a long error", func(*testing.T) (*reflectionpb.ServerReflectionResponse, error) {
			return &reflectionpb.ServerReflectionResponse{MessageResponse: &reflectionpb.ServerReflectionResponse_ErrorResponse{
				ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: 13, ErrorMessage: strings.Repeat("x", 10_000)}}}, nil
		}, "xxx..."},
		{"an end", func(*testing.T) (*reflectionpb.ServerReflectionResponse, error) {
			return nil, status.Error(codes.Aborted, "")
		}, "ABORTED"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := answers(t, "v1", func(*reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
				return tc.answer(t)
			})
			for range 2 {
				_, err := r.Find(t.Context(), "p.a_proto")
				if err == nil || !strings.Contains(strings.ToUpper(err.Error()), strings.ToUpper(tc.want)) || len(err.Error()) > 1000 {
					t.Errorf("got %.2000v, want %q", err, tc.want)
				}
			}
			if n := r.known.files.NumFiles(); n != 0 {
				t.Errorf("%d files were kept", n)
			}
		})
	}
}

func TestReflectionConcurrent(t *testing.T) {
	r := answers(t, "v1", func(q *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
		name, _ := strings.CutPrefix(q.GetFileContainingSymbol(), "p.")
		return filesAnswer(t, file(strings.Replace(name, "_", ".", 1), "shared.proto"), file("shared.proto")), nil
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := r.Find(t.Context(), protoreflect.FullName(fmt.Sprintf("p.f%d_proto", i%20))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := r.known.files.NumFiles(); n != 21 {
		t.Errorf("got %d files, want 21", n)
	}
}

func FuzzDescriptorSet(f *testing.F) {
	f.Add(zooSet(f))
	f.Add(set(f, file("a.proto", "b.proto"), file("b.proto", "a.proto")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := DescriptorSet(raw)
		if err != nil {
			return
		}
		names, err := s.Services(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := NewClient(nil, s)
		for _, name := range names {
			d, err := s.Find(t.Context(), protoreflect.FullName(name))
			if err != nil {
				t.Errorf("%q is listed and not found: %v", name, err)
				continue
			}
			methods := d.(protoreflect.ServiceDescriptor).Methods()
			for i := range methods.Len() {
				fill(t, c, newMethod(methods.Get(i)).Descriptor.Input())
			}
		}
	})
}

// fill makes requests that mention each field, which must be taken or refused, and writes those
// that were taken.
func fill(t *testing.T, c *Client, d protoreflect.MessageDescriptor) {
	for i := range d.Fields().Len() {
		for _, value := range []string{`{}`, `null`, `"1s"`, `[]`, `1`, `{"@type":"x/` + string(d.FullName()) + `"}`} {
			m, err := c.message(t.Context(), d, `{"`+d.Fields().Get(i).JSONName()+`":`+value+`}`)
			if err == nil {
				_, _ = c.JSON(t.Context(), m)
			}
		}
	}
}
