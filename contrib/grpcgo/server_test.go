package grpcgo_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru/contrib/grpcgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

func echo(_ context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return &testpb.SimpleResponse{Payload: req.Payload}, nil
}

func echoAll(ss testpb.TestService_FullDuplexCallServer) error {
	for {
		req, err := ss.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ss.Send(&testpb.StreamingOutputCallResponse{Payload: req.Payload}); err != nil {
			return err
		}
	}
}

// each runs body with a server of each library that has opts.
func each(t *testing.T, impl testpb.TestServiceServer, opts func() []grpc.ServerOption, body func(t *testing.T, on stack, addr string)) {
	t.Helper()
	for _, on := range []stack{onGRPCGo, onNaru} {
		t.Run(string(on), func(t *testing.T) {
			body(t, on, serve(t, on, func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, impl) }, opts()...))
		})
	}
}

func call(t *testing.T, cc grpc.ClientConnInterface, text string, opts ...grpc.CallOption) error {
	t.Helper()
	res, err := testpb.NewTestServiceClient(cc).UnaryCall(t.Context(), &testpb.SimpleRequest{Payload: payload(text)}, opts...)
	if err == nil && string(res.Payload.GetBody()) != text {
		t.Errorf("the response is %q, want %q", res.Payload.GetBody(), text)
	}
	return err
}

// pingPong sends one message on a stream, receives one, and ends it.
func pingPong(t *testing.T, cc grpc.ClientConnInterface, opts ...grpc.CallOption) error {
	t.Helper()
	s, err := testpb.NewTestServiceClient(cc).FullDuplexCall(t.Context(), opts...)
	if err != nil {
		return err
	}
	if err := s.Send(&testpb.StreamingOutputCallRequest{Payload: payload("ping")}); err != nil && err != io.EOF {
		return err
	}
	if _, err := s.Recv(); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	if _, err := s.Recv(); err != io.EOF {
		return err
	}
	return nil
}

func TestServerInterceptors(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(s string) { mu.Lock(); order = append(order, s); mu.Unlock() }
	unary := func(name string) grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			note(name + " " + info.FullMethod)
			if _, ok := info.Server.(*service); !ok {
				t.Errorf("info.Server is a %T", info.Server)
			}
			return handler(ctx, req)
		}
	}
	stream := func(name string) grpc.StreamServerInterceptor {
		return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			note(fmt.Sprint(name, " ", info.FullMethod, info.IsClientStream, info.IsServerStream))
			return handler(srv, ss)
		}
	}
	impl := &service{unary: echo, duplex: echoAll}
	each(t, impl, func() []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(unary("2"), unary("3")), grpc.UnaryInterceptor(unary("1")),
			grpc.ChainStreamInterceptor(stream("2"), stream("3")), grpc.StreamInterceptor(stream("1")),
		}
	}, func(t *testing.T, _ stack, addr string) {
		order = nil
		cc := dial(t, onGRPCGo, addr)
		if err := call(t, cc, "x"); err != nil {
			t.Fatal(err)
		}
		if err := pingPong(t, cc); err != nil {
			t.Fatal(err)
		}
		const u, s = testpb.TestService_UnaryCall_FullMethodName, testpb.TestService_FullDuplexCall_FullMethodName + "true true"
		if want := []string{"1 " + u, "2 " + u, "3 " + u, "1 " + s, "2 " + s, "3 " + s}; !slices.Equal(order, want) {
			t.Errorf("interceptors ran as %q, want %q", order, want)
		}
	})
}

func TestUnknownServiceHandler(t *testing.T) {
	handler := func(_ any, ss grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(ss)
		req := new(testpb.SimpleRequest)
		if err := ss.RecvMsg(req); err != nil {
			return err
		}
		return ss.SendMsg(&testpb.SimpleResponse{Payload: req.Payload, Username: method})
	}
	each(t, &service{}, func() []grpc.ServerOption { return []grpc.ServerOption{grpc.UnknownServiceHandler(handler)} },
		func(t *testing.T, _ stack, addr string) {
			res := new(testpb.SimpleResponse)
			err := dial(t, onGRPCGo, addr).Invoke(t.Context(), "/no.such/Method", &testpb.SimpleRequest{Payload: payload("p")}, res)
			if err != nil || res.Username != "/no.such/Method" || string(res.Payload.Body) != "p" {
				t.Errorf("got %v, %v", res, err)
			}
		})
}

type tapKey struct{}

func TestTap(t *testing.T) {
	handle := func(ctx context.Context, info *tap.Info) (context.Context, error) {
		switch info.Header.Get("do")[0] {
		case "refuse":
			return nil, fmt.Errorf("no")
		case "exhaust":
			return nil, status.Error(codes.ResourceExhausted, "full")
		}
		return context.WithValue(ctx, tapKey{}, info.FullMethodName), nil
	}
	impl := &service{unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		if v, _ := ctx.Value(tapKey{}).(string); v != testpb.TestService_UnaryCall_FullMethodName {
			return nil, status.Errorf(codes.FailedPrecondition, "the handler's context has %q", v)
		}
		return echo(ctx, req)
	}}
	each(t, impl, func() []grpc.ServerOption { return []grpc.ServerOption{grpc.InTapHandle(handle)} }, func(t *testing.T, _ stack, addr string) {
		client := testpb.NewTestServiceClient(dial(t, onGRPCGo, addr))
		for do, want := range map[string]codes.Code{"pass": codes.OK, "refuse": codes.PermissionDenied, "exhaust": codes.ResourceExhausted} {
			_, err := client.UnaryCall(metadata.AppendToOutgoingContext(t.Context(), "do", do), &testpb.SimpleRequest{})
			if status.Code(err) != want {
				t.Errorf("%s: got %v, want %v", do, err, want)
			}
		}
	})
}

// TestHealthAndReflection registers grpc-go's own services and asks them.
func TestHealthAndReflection(t *testing.T) {
	for _, on := range []stack{onGRPCGo, onNaru} {
		t.Run(string(on), func(t *testing.T) {
			s := newServer(on)
			testpb.RegisterTestServiceServer(s, &service{})
			h := health.NewServer()
			healthpb.RegisterHealthServer(s, h)
			reflection.Register(s)
			h.SetServingStatus("grpc.testing.TestService", healthpb.HealthCheckResponse_NOT_SERVING)
			cc := dial(t, onGRPCGo, listen(t, s))

			res, err := healthpb.NewHealthClient(cc).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "grpc.testing.TestService"})
			if err != nil || res.Status != healthpb.HealthCheckResponse_NOT_SERVING {
				t.Errorf("health: got %v, %v", res, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := reflectionpb.NewServerReflectionClient(cc).ServerReflectionInfo(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
				t.Fatal(err)
			}
			list, err := r.Recv()
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range list.GetListServicesResponse().GetService() {
				names = append(names, s.Name)
			}
			slices.Sort(names)
			want := []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "grpc.testing.TestService"}
			if !slices.Equal(names, want) {
				t.Errorf("reflection lists %q, want %q", names, want)
			}
			info := s.GetServiceInfo()["grpc.testing.TestService"]
			if info.Metadata != "grpc/testing/test.proto" || len(info.Methods) != 8 {
				t.Errorf("service info is %v with %d methods", info.Metadata, len(info.Methods))
			}
		})
	}
}

// TestCompression asks for compressed responses, which grpc-go's function does not do on naru.
func TestCompression(t *testing.T) {
	impl := &service{unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		names, err := grpcgo.ClientSupportedCompressors(ctx)
		if err != nil || !slices.Contains(names, gzip.Name) {
			return nil, status.Errorf(codes.FailedPrecondition, "the client accepts %q, %v", names, err)
		}
		if err := grpcgo.SetSendCompressor(ctx, "nonesuch"); err == nil {
			return nil, status.Error(codes.FailedPrecondition, "an unknown compressor is accepted")
		}
		if err := grpcgo.SetSendCompressor(ctx, gzip.Name); err != nil {
			return nil, err
		}
		return echo(ctx, req)
	}}
	pairs(t, impl, func(t *testing.T, cc grpc.ClientConnInterface) {
		text := strings.Repeat("compressible ", 1000)
		if err := call(t, cc, text); err != nil {
			t.Error(err)
		}
		if err := call(t, cc, text, grpc.UseCompressor(gzip.Name)); err != nil {
			t.Error(err)
		}
		if err := call(t, cc, text, grpc.UseCompressor("nonesuch")); status.Code(err) != codes.Internal {
			t.Errorf("a compressor that is not installed: got %v, want Internal", err)
		}
	})
}

// shout is a codec for strings.
type shout struct{}

func (shout) Name() string { return "Shout" }
func (shout) Marshal(v any) ([]byte, error) {
	s, ok := v.(*string)
	if !ok {
		return nil, fmt.Errorf("shout: %T", v)
	}
	return []byte(strings.ToUpper(*s)), nil
}
func (shout) Unmarshal(b []byte, v any) error {
	s, ok := v.(*string)
	if !ok {
		return fmt.Errorf("shout: %T", v)
	}
	*s = string(b)
	return nil
}

// registerShout is called once: grpc-go's registry is for all tests.
var registerShout = sync.OnceFunc(func() { encoding.RegisterCodec(registeredShout{}) })

type registeredShout struct{ shout }

func (registeredShout) Name() string { return "registered-shout" }

// TestCodecs uses a codec that is registered, one that a call brings, and one for all of a server's
// messages.
func TestCodecs(t *testing.T) {
	registerShout()
	handler := func(_ any, ss grpc.ServerStream) error {
		var s string
		if err := ss.RecvMsg(&s); err != nil {
			return err
		}
		s += "!"
		return ss.SendMsg(&s)
	}
	for _, pair := range [][2]stack{{onGRPCGo, onGRPCGo}, {onNaru, onGRPCGo}, {onGRPCGo, onNaru}, {onNaru, onNaru}} {
		t.Run(string(pair[0])+" serves "+string(pair[1]), func(t *testing.T) {
			none := func(grpc.ServiceRegistrar) {}
			registered := dial(t, pair[1], serve(t, pair[0], none, grpc.UnknownServiceHandler(handler)))
			forced := dial(t, pair[1], serve(t, pair[0], none, grpc.UnknownServiceHandler(handler), grpc.ForceServerCodec(shout{})))
			for name, tc := range map[string]struct {
				cc  conn
				opt grpc.CallOption
			}{
				"CallContentSubtype": {registered, grpc.CallContentSubtype("registered-shout")},
				"ForceCodec":         {forced, grpc.ForceCodec(shout{})},
			} {
				in, out := "hey", ""
				if err := tc.cc.Invoke(t.Context(), "/a.b/C", &in, &out, tc.opt); err != nil || out != "HEY!" {
					t.Errorf("%s: got %q, %v; want HEY!", name, out, err)
				}
			}
			in := "x"
			err := registered.Invoke(t.Context(), "/a.b/C", &in, &in, grpc.CallContentSubtype("nonesuch"))
			if status.Code(err) != codes.Internal {
				t.Errorf("a content subtype that is not registered: got %v, want Internal", err)
			}
		})
	}
}

// recorder is a stats handler that notes what it is told.
type recorder struct {
	mu     sync.Mutex
	events []string
	done   chan struct{} // closed at the end of a call
}

type tagKey struct{}

func (r *recorder) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, tagKey{}, info.FullMethodName)
}

func (r *recorder) HandleRPC(ctx context.Context, s stats.RPCStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Value(tagKey{}) == nil {
		r.events = append(r.events, "untagged")
	}
	switch s := s.(type) {
	case *stats.InPayload:
		r.events = append(r.events, fmt.Sprintf("InPayload %d %d", s.Length, s.WireLength))
	case *stats.OutPayload:
		r.events = append(r.events, fmt.Sprintf("OutPayload %d %d", s.Length, s.WireLength))
	case *stats.End:
		r.events = append(r.events, fmt.Sprintf("End %v", status.Code(s.Error)))
		close(r.done)
	case *stats.DelayedPickComplete: // grpc-go's alone: naru does not say when it has picked
	default:
		r.events = append(r.events, strings.TrimPrefix(fmt.Sprintf("%T", s), "*stats."))
	}
}
func (r *recorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (r *recorder) HandleConn(context.Context, stats.ConnStats)                       {}

// sorted returns the events of a call, and waits for its end. Their order within grpc-go differs
// from run to run.
func (r *recorder) sorted(t *testing.T) []string {
	select {
	case <-r.done:
	case <-time.After(10 * time.Second):
		t.Error("the handler was not told of the end")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.events)
	return r.events
}

// TestStatsHandlers compares what handlers of both ends are told on both stacks.
func TestStatsHandlers(t *testing.T) {
	impl := &service{unary: echo, duplex: echoAll}
	for name, body := range map[string]func(*testing.T, grpc.ClientConnInterface) error{
		"unary":  func(t *testing.T, cc grpc.ClientConnInterface) error { return call(t, cc, "12345") },
		"stream": func(t *testing.T, cc grpc.ClientConnInterface) error { return pingPong(t, cc) },
	} {
		var want [2][]string
		for _, on := range []stack{onGRPCGo, onNaru} {
			t.Run(name+" "+string(on), func(t *testing.T) {
				server, client := &recorder{done: make(chan struct{})}, &recorder{done: make(chan struct{})}
				addr := serve(t, on, func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, impl) }, grpc.StatsHandler(server))
				if err := body(t, dial(t, on, addr, grpc.WithStatsHandler(client))); err != nil {
					t.Fatal(err)
				}
				got := [2][]string{server.sorted(t), client.sorted(t)}
				if on == onGRPCGo {
					want = got
					return
				}
				for i, end := range []string{"server", "client"} {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("%s: got %q, want %q", end, got[i], want[i])
					}
				}
			})
		}
	}
}

func TestRegistrationMistakes(t *testing.T) {
	s := grpcgo.NewServer()
	defer s.Stop()
	testpb.RegisterTestServiceServer(s, &service{})
	for name, register := range map[string]func(){
		"twice":      func() { testpb.RegisterTestServiceServer(s, &service{}) },
		"wrong type": func() { s.RegisterService(&healthpb.Health_ServiceDesc, &service{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: RegisterService does not panic", name)
				}
			}()
			register()
		}()
	}
}
