package dynamic

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/reflection"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// zooFile has a method of each kind, a message with extensions, and an Any.
const zooFile = `
name: "zoo/zoo.proto" package: "zoo.v1" syntax: "proto2"
dependency: "google/protobuf/any.proto"
message_type {
  name: "Animal"
  field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "name" }
  field { name: "count" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL json_name: "count" }
  field { name: "more" number: 3 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL json_name: "more" }
  extension_range { start: 100 end: 200 }
}
extension { name: "stripes" number: 100 extendee: ".zoo.v1.Animal" type: TYPE_INT32 label: LABEL_OPTIONAL json_name: "stripes" }
service {
  name: "Zoo"
  method { name: "Get" input_type: ".zoo.v1.Animal" output_type: ".zoo.v1.Animal" options { idempotency_level: NO_SIDE_EFFECTS } }
  method { name: "List" input_type: ".zoo.v1.Animal" output_type: ".zoo.v1.Animal" server_streaming: true }
  method { name: "Gather" input_type: ".zoo.v1.Animal" output_type: ".zoo.v1.Animal" client_streaming: true }
  method { name: "Chat" input_type: ".zoo.v1.Animal" output_type: ".zoo.v1.Animal" client_streaming: true server_streaming: true }
}
service { name: "Farm" method { name: "Get" input_type: ".zoo.v1.Animal" output_type: ".zoo.v1.Animal" } }
`

func zooSet(t testing.TB) []byte {
	t.Helper()
	f := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(zooFile), f); err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{f}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// zoo serves every method of the zoo: each message comes back; Gather answers with the last one.
func zoo(t testing.TB) *Client {
	t.Helper()
	schema, err := DescriptorSet(zooSet(t))
	if err != nil {
		t.Fatal(err)
	}
	d, err := schema.Find(t.Context(), "zoo.v1.Animal")
	if err != nil {
		t.Fatal(err)
	}
	animal := d.(protoreflect.MessageDescriptor)
	srv := narutest.NewServer(t, func(*naru.Server) {}, naru.WithUnknownServiceHandler(func(method string, s naru.ServerStream) error {
		last := dynamicpb.NewMessage(animal)
		for {
			m := dynamicpb.NewMessage(animal)
			if err := s.RecvMsg(m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
			last = m
			if !strings.HasSuffix(method, "/Gather") {
				if err := s.SendMsg(m); err != nil {
					return err
				}
			}
		}
		if strings.HasSuffix(method, "/Gather") {
			return s.SendMsg(last)
		}
		return nil
	}))
	return NewClient(srv.Client(), schema)
}

func TestCall(t *testing.T) {
	c := zoo(t)
	animal, err := c.message(t.Context(), mustFind[protoreflect.MessageDescriptor](t, c, "zoo.v1.Animal"), `{"name":"given"}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		request any
		want    string
	}{
		{"nil", nil, `{}`},
		{"JSON bytes", []byte(`{"name":"cat","count":3}`), `{"name":"cat","count":"3"}`},
		{"raw JSON", json.RawMessage(`{"name":"cat"}`), `{"name":"cat"}`},
		{"text", `{"name":"cat"}`, `{"name":"cat"}`},
		{"map", map[string]any{"name": "cat", "count": 9007199254740993}, `{"name":"cat","count":"9007199254740993"}`},
		{"message", animal, `{"name":"given"}`},
		{"extension", `{"[zoo.v1.stripes]":7}`, `{"[zoo.v1.stripes]":7}`},
		{"any", `{"more":{"@type":"type.googleapis.com/zoo.v1.Animal","name":"inner","[zoo.v1.stripes]":2}}`,
			`{"more":{"@type":"type.googleapis.com/zoo.v1.Animal","name":"inner","[zoo.v1.stripes]":2}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reply, err := c.Call(t.Context(), "zoo.v1.Zoo/Get", tc.request)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.JSON(t.Context(), reply)
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v; want %s", got, err, tc.want)
			}
		})
	}
	reply, err := c.Call(t.Context(), "zoo.v1.Zoo/Get", `{"name":"cat"}`)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Map(t.Context(), reply); err != nil || m["name"] != "cat" {
		t.Errorf("as a map: got %v, %v", m, err)
	}
}

func TestCallRefused(t *testing.T) {
	c := zoo(t)
	for _, tc := range []struct {
		name, method string
		request      any
		code         codes.Code
		want         string
	}{
		{"unknown field", "zoo.v1.Zoo/Get", `{"nam":"x"}`, codes.InvalidArgument, `unknown field "nam"`},
		{"no JSON", "zoo.v1.Zoo/Get", `{`, codes.InvalidArgument, "the request is no zoo.v1.Animal"},
		{"another type", "zoo.v1.Zoo/Get", new(descriptorpb.FileDescriptorProto), codes.InvalidArgument, "takes zoo.v1.Animal, got a google.protobuf.FileDescriptorProto"},
		{"a number", "zoo.v1.Zoo/Get", 7, codes.InvalidArgument, "got int"},
		{"a channel in a map", "zoo.v1.Zoo/Get", map[string]any{"name": make(chan int)}, codes.InvalidArgument, "no JSON"},
		{"a stream", "zoo.v1.Zoo/List", nil, codes.FailedPrecondition, "use Stream"},
		{"misspelled", "zoo.v1.Zoo/Gett", nil, codes.NotFound, "did you mean zoo.v1."},
		{"far off", "zoo.v1.Zoo/Xxxxxxxxx", nil, codes.NotFound, "it has zoo.v1.Farm/Get, zoo.v1.Zoo/Get"},
		{"ambiguous", "Get", nil, codes.InvalidArgument, "may be zoo.v1.Farm/Get, zoo.v1.Zoo/Get"},
		{"empty", "", nil, codes.NotFound, "no method"},
		{"long", strings.Repeat("x", 1000), nil, codes.NotFound, "xxx..."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := c.Call(t.Context(), tc.method, tc.request)
			if status.Code(err) != tc.code || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %v with %q", err, tc.code, tc.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	c := zoo(t)
	var first *Method
	for _, name := range []string{"zoo.v1.Zoo/Get", "/zoo.v1.Zoo/Get", "zoo.v1.Zoo.Get", "v1.Zoo/Get", "Zoo.Get", "/Zoo/Get", "Zoo/Get", "zoo.v1.Zoo/Get"} {
		m, err := c.Method(t.Context(), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if first == nil {
			first = m
		}
		if m != first {
			t.Errorf("%s: another Method for the same method", name)
		}
	}
	if first.Path() != "/zoo.v1.Zoo/Get" || first.info.Idempotency != naru.NoSideEffects {
		t.Errorf("got %+v", first.info)
	}
	kinds := map[string]naru.Kind{
		"Zoo/Get": naru.KindUnary, "List": naru.KindServerStream, "Gather": naru.KindClientStream, "Chat": naru.KindBidi,
	}
	for name, kind := range kinds {
		if m, err := c.Method(t.Context(), name); err != nil || m.Kind() != kind {
			t.Errorf("%s: got %v, %v, want %v", name, m, err, kind)
		}
	}
}

func TestStreams(t *testing.T) {
	c := zoo(t)
	for method, want := range map[string]string{
		"List": `{"name":"a"} {"name":"b"}`, "Gather": `{"name":"b"}`, "Chat": `{"name":"a"} {"name":"b"}`,
	} {
		s, err := c.Stream(t.Context(), method)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(`{"nom":1}`); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: a request that does not fit: got %v", method, err)
		}
		requests := []string{`{"name":"a"}`, `{"name":"b"}`}
		for _, r := range requests {
			if err := s.Send(r); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for m, err := range s.All() {
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			text, err := c.JSON(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(text))
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: got %s, want %s", method, text, want)
		}
	}
}

func TestReflection(t *testing.T) {
	srv := narutest.NewServer(t, func(s *naru.Server) {
		h := health.NewServer()
		h.SetServingStatus("zoo", health.NotServing)
		health.Register(s, h)
		reflection.Register(s)
	})
	c := NewClient(srv.Client())
	reply, err := c.Call(t.Context(), "Health.Check", map[string]any{"service": "zoo"})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := c.JSON(t.Context(), reply); err != nil || string(text) != `{"status":"NOT_SERVING"}` {
		t.Errorf("got %s, %v", text, err)
	}
	if _, err := c.Call(t.Context(), "grpc.health.v1.Health/Check", `{"service":"nothing"}`); status.Code(err) != codes.NotFound {
		t.Errorf("the call's own status: got %v", err)
	}
	if _, err := c.Call(t.Context(), "grpc.health.v1.Health/Chek", nil); err == nil || !strings.Contains(err.Error(), "did you mean grpc.health.v1.Health/Check?") {
		t.Errorf("got %v", err)
	}
	c.Reset()
	if _, err := c.Method(t.Context(), "Check"); err != nil {
		t.Errorf("after Reset: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Method(ctx, "Watch"); err != nil {
		t.Errorf("what is known needs no call: %v", err)
	}
}

func TestNoReflection(t *testing.T) {
	srv := narutest.NewServer(t, func(s *naru.Server) { health.Register(s, health.NewServer()) })
	_, err := NewClient(srv.Client()).Call(t.Context(), "grpc.health.v1.Health/Check", nil)
	if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "does not offer reflection") {
		t.Errorf("got %v", err)
	}
}

func mustFind[T protoreflect.Descriptor](t testing.TB, c *Client, name protoreflect.FullName) T {
	t.Helper()
	d, err := c.Schema().Find(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d.(T)
}
