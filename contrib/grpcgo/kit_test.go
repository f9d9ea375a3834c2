package grpcgo_test

import (
	"context"
	"net"
	"testing"

	"github.com/naru-rpc/naru/contrib/grpcgo"
	"github.com/naru-rpc/naru/narutest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// A stack is one of the two libraries at one end.
type stack string

const (
	onNaru   stack = "naru"
	onGRPCGo stack = "grpc-go"
)

// pairs runs body with the service impl and a client of it, for each combination of stacks: what
// grpc-go does at both ends is what all of them have to do.
func pairs(t *testing.T, impl testpb.TestServiceServer, body func(t *testing.T, cc grpc.ClientConnInterface)) {
	t.Helper()
	for _, pair := range [][2]stack{{onGRPCGo, onGRPCGo}, {onNaru, onGRPCGo}, {onGRPCGo, onNaru}, {onNaru, onNaru}} {
		t.Run(string(pair[0])+" serves "+string(pair[1]), func(t *testing.T) {
			addr := serve(t, pair[0], func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, impl) })
			body(t, dial(t, pair[1], addr))
		})
	}
}

// server is what both libraries' servers have.
type server interface {
	grpc.ServiceRegistrar
	GetServiceInfo() map[string]grpc.ServiceInfo
	Serve(net.Listener) error
	GracefulStop()
	Stop()
}

// conn is what both libraries' connections have.
type conn interface {
	grpc.ClientConnInterface
	Close() error
	Connect()
	GetState() connectivity.State
	WaitForStateChange(context.Context, connectivity.State) bool
	Target() string
}

func newServer(on stack, opts ...grpc.ServerOption) server {
	if on == onGRPCGo {
		return grpc.NewServer(opts...)
	}
	return grpcgo.NewServer(opts...)
}

func newClient(on stack, target string, opts ...grpc.DialOption) (conn, error) {
	if on == onGRPCGo {
		return grpc.NewClient(target, opts...)
	}
	return grpcgo.NewClient(target, opts...)
}

// serve starts a server on a port of its own and returns its address.
func serve(t *testing.T, on stack, register func(grpc.ServiceRegistrar), opts ...grpc.ServerOption) string {
	t.Helper()
	s := newServer(on, opts...)
	register(s)
	return listen(t, s)
}

// listen serves until the test ends.
func listen(t *testing.T, s server) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve returned %v after Stop, want nil", err)
		}
	})
	return lis.Addr().String()
}

// dial returns a client of a server, over plaintext unless options say otherwise.
func dial(t *testing.T, on stack, addr string, opts ...grpc.DialOption) conn {
	t.Helper()
	cc, err := newClient(on, "passthrough:///"+addr, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// service is a TestService whose methods are set by each test.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	input  func(testpb.TestService_StreamingInputCallServer) error
	output func(*testpb.StreamingOutputCallRequest, testpb.TestService_StreamingOutputCallServer) error
	duplex func(testpb.TestService_FullDuplexCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.unary(ctx, req)
}

func (s *service) StreamingInputCall(ss testpb.TestService_StreamingInputCallServer) error {
	return s.input(ss)
}

func (s *service) StreamingOutputCall(req *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
	return s.output(req, ss)
}

func (s *service) FullDuplexCall(ss testpb.TestService_FullDuplexCallServer) error {
	return s.duplex(ss)
}
