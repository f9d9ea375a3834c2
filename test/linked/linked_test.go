package linked

import (
	"context"
	"net"
	"testing"
	"time"

	_ "github.com/cncf/xds/go/xds/data/orca/v3"    // ORCA's report
	_ "github.com/cncf/xds/go/xds/service/orca/v3" // ORCA's service
	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/reflection"
	"github.com/naru-rpc/naru/reflection/reflectionpb"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/credentials/insecure"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/orca"
	grpcreflection "google.golang.org/grpc/reflection"
	v1pb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	v1alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// listen returns a listener on the loopback and its address.
func listen(t *testing.T) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().String()
}

// naruServer serves health and reflection on naru.
func naruServer(t *testing.T) string {
	t.Helper()
	srv, err := naru.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	h := health.NewServer()
	h.SetServingStatus("linked", health.NotServing)
	health.Register(srv, h)
	reflection.Register(srv)
	l, addr := listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return addr
}

// grpcGoServer serves the same, and what else registers names, on grpc-go.
func grpcGoServer(t *testing.T) string {
	t.Helper()
	srv := grpc.NewServer()
	h := grpchealth.NewServer()
	h.SetServingStatus("linked", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(srv, h)
	grpcreflection.Register(srv)
	channelz.RegisterChannelzServiceToServer(srv)
	if err := orca.Register(srv, orca.ServiceOptions{ServerMetricsProvider: orca.NewServerMetricsRecorder()}); err != nil {
		t.Fatal(err)
	}
	l, addr := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return addr
}

func naruClient(t *testing.T, addr string) *naru.Client {
	t.Helper()
	c, err := naru.NewClient(addr, naru.WithPlaintext())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func grpcGoClient(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestHealthOfBoth(t *testing.T) {
	for name, addr := range map[string]string{"naru": naruServer(t), "grpc-go": grpcGoServer(t)} {
		theirs := healthpb.NewHealthClient(grpcGoClient(t, addr))
		ours := naruClient(t, addr)
		res, err := theirs.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "linked"})
		if err != nil || res.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("grpc-go's client at %s: %v, %v", name, res, err)
		}
		if got, err := health.Check(t.Context(), ours, "linked"); err != nil || got != health.NotServing {
			t.Errorf("naru's client at %s: %v, %v", name, got, err)
		}
		if _, err := health.Check(t.Context(), ours, "nothing"); status.Code(err) != codes.NotFound {
			t.Errorf("naru's client at %s: %v, want NOT_FOUND", name, err)
		}
		all, err := health.List(t.Context(), ours)
		want := map[string]health.Status{"": health.Serving, "linked": health.NotServing}
		if diff := cmp.Diff(want, all); err != nil || diff != "" {
			t.Errorf("list at %s: %v (-want +got):\n%s", name, err, diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		watch, err := theirs.Watch(ctx, &healthpb.HealthCheckRequest{Service: "unheard of"})
		if err != nil {
			t.Fatal(err)
		}
		if res, err := watch.Recv(); err != nil || res.GetStatus() != healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
			t.Errorf("grpc-go's client watching at %s: %v, %v", name, res, err)
		}
		cancel()
		for got, err := range health.Watch(t.Context(), ours, "unheard of") {
			if err != nil || got != health.ServiceUnknown {
				t.Errorf("naru's client watching at %s: %v, %v", name, got, err)
			}
			break
		}
	}
}

// published are the well-known files as grpc-go links them.
var published = []protoreflect.FileDescriptor{
	healthpb.File_grpc_health_v1_health_proto,
	v1pb.File_grpc_reflection_v1_reflection_proto,
	v1alphapb.File_grpc_reflection_v1alpha_reflection_proto,
}

// TestReflectionShowsThePublishedFiles asks naru's server, through grpc-go's client, for the
// well-known services and compares with the files they are published with.
func TestReflectionShowsThePublishedFiles(t *testing.T) {
	conn := grpcGoClient(t, naruServer(t))
	stream, err := v1pb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range published {
		symbol := string(want.Services().Get(0).FullName())
		if err := stream.Send(&v1pb.ServerReflectionRequest{MessageRequest: &v1pb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol}}); err != nil {
			t.Fatal(err)
		}
		res, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		files := res.GetFileDescriptorResponse().GetFileDescriptorProto()
		if len(files) != 1 {
			t.Errorf("%s: %d files, want 1: %v", symbol, len(files), res)
			continue
		}
		got := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(files[0], got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(protodesc.ToFileDescriptorProto(want), got, protocmp.Transform()); diff != "" {
			t.Errorf("%s is not as published (-want +got):\n%s", want.Path(), diff)
		}
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); err == nil {
		t.Error("the stream went on after the last question")
	}
}

// TestReflectionMessagesAreTheSameOnTheWire pins naru's types to the published ones of either
// version.
func TestReflectionMessagesAreTheSameOnTheWire(t *testing.T) {
	ours := &reflectionpb.ServerReflectionRequest{Host: "h", MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{
		FileContainingExtension: &reflectionpb.ExtensionRequest{ContainingType: "a.B", ExtensionNumber: 7}}}
	b, err := proto.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 tools of today still speak the old version, which is what is compared
	old := new(v1alphapb.ServerReflectionRequest)
	for _, theirs := range []proto.Message{new(v1pb.ServerReflectionRequest), old} {
		if err := proto.Unmarshal(b, theirs); err != nil {
			t.Fatal(err)
		}
		back, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
		if err != nil || string(back) != string(b) || len(theirs.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%T: %x, %v; want %x", theirs, back, err, b)
		}
	}
}

// TestStatusAndGenproto: naru codes google.rpc.Status by hand, genproto's type is measured against
// it.
func TestStatusAndGenproto(t *testing.T) {
	bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "id", Description: "is -1"}}}
	s, err := status.New(codes.InvalidArgument, "no").WithDetails(bad)
	if err != nil {
		t.Fatal(err)
	}
	theirs := new(statuspb.Status)
	if err := proto.Unmarshal(s.AppendWire(nil), theirs); err != nil {
		t.Fatal(err)
	}
	if theirs.GetCode() != 3 || theirs.GetMessage() != "no" || len(theirs.GetDetails()) != 1 {
		t.Errorf("as google.rpc.Status: %v", theirs)
	}
	b, err := proto.Marshal(theirs)
	if err != nil {
		t.Fatal(err)
	}
	back, err := status.ParseWire(b)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := status.Detail[*errdetails.BadRequest](back.Err())
	if diff := cmp.Diff(bad, got, protocmp.Transform()); !ok || diff != "" {
		t.Errorf("%v (-want +got):\n%s", ok, diff)
	}
}
