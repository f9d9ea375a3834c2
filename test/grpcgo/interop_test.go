// Package grpcgo runs grpc-go's interop test over the bridge: its server implementation on a naru
// server, and its client's cases on a naru client.
package grpcgo

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	bridge "github.com/naru-rpc/naru/contrib/grpcgo"
	"github.com/naru-rpc/naru/narutest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/testdata"
)

func TestMain(m *testing.M) {
	// The cases report by a fatal log line, which would end the process.
	grpclog.SetLoggerV2(panicking{grpclog.NewLoggerV2(os.Stderr, os.Stderr, os.Stderr)})
	narutest.VerifyTestMain(m)
}

// panicking is a logger whose fatal lines are panics.
type panicking struct{ grpclog.LoggerV2 }

func (panicking) Info(...any)                     {}
func (panicking) Infoln(...any)                   {}
func (panicking) Infof(string, ...any)            {}
func (panicking) Warning(...any)                  {}
func (panicking) Warningln(...any)                {}
func (panicking) Warningf(string, ...any)         {}
func (panicking) Fatal(args ...any)               { panic(fmt.Sprint(args...)) }
func (panicking) Fatalln(args ...any)             { panic(fmt.Sprint(args...)) }
func (panicking) Fatalf(form string, args ...any) { panic(fmt.Sprintf(form, args...)) }

type conn interface {
	grpc.ClientConnInterface
	Close() error
}

// The cases of grpc-go's client that need no cloud: those with Google's credentials
// (compute_engine_creds, service_account_creds, jwt_token_creds, per_rpc_creds, oauth2_auth_token,
// google_default_credentials, compute_engine_channel_credentials) ask its servers. orca_oob needs a
// reporting interval that only grpc-go's own module can set. soak is rpc_soak and channel_soak.
var cases = map[string]func(t *testing.T, cc conn){
	"empty_unary":                 of(interop.DoEmptyUnaryCall),
	"large_unary":                 of(interop.DoLargeUnaryCall),
	"client_streaming":            of(interop.DoClientStreaming),
	"server_streaming":            of(interop.DoServerStreaming),
	"ping_pong":                   of(interop.DoPingPong),
	"empty_stream":                of(interop.DoEmptyStream),
	"timeout_on_sleeping_server":  of(interop.DoTimeoutOnSleepingServer),
	"cancel_after_begin":          of(interop.DoCancelAfterBegin),
	"cancel_after_first_response": of(interop.DoCancelAfterFirstResponse),
	"status_code_and_message":     of(interop.DoStatusCodeAndMessage),
	"special_status_message":      of(interop.DoSpecialStatusMessage),
	"custom_metadata":             of(interop.DoCustomMetadata),
	"unimplemented_service": func(t *testing.T, cc conn) {
		interop.DoUnimplementedService(t.Context(), testpb.NewUnimplementedServiceClient(cc))
	},
	"unimplemented_method": func(t *testing.T, cc conn) {
		err := cc.Invoke(t.Context(), "/grpc.testing.TestService/UnimplementedCall", &testpb.Empty{}, &testpb.Empty{})
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("got %v, want Unimplemented", err)
		}
	},
	"pick_first_unary": func(t *testing.T, cc conn) {
		interop.DoPickFirstUnary(t.Context(), testpb.NewTestServiceClient(cc))
	},
	"soak": func(t *testing.T, cc conn) {
		interop.DoSoakTest(t.Context(), interop.SoakTestConfig{
			RequestSize: 271828, ResponseSize: 314159, PerIterationMaxAcceptableLatency: 10 * time.Second,
			OverallTimeout: time.Minute, ServerAddr: "the test's", NumWorkers: 2, Iterations: 10,
			ChannelForTest: func() (*grpc.ClientConn, func()) {
				real, err := bridge.AsClientConn(cc)
				if err != nil {
					t.Fatal(err)
				}
				return real, func() { real.Close() }
			},
		})
	},
}

// of makes a case of a function of package interop.
func of(do func(context.Context, testpb.TestServiceClient, ...grpc.CallOption)) func(*testing.T, conn) {
	return func(t *testing.T, cc conn) { do(t.Context(), testpb.NewTestServiceClient(cc)) }
}

// TestInterop runs every case over TLS: a naru server with grpc-go's client, grpc-go's server with
// a naru client, and both of naru.
func TestInterop(t *testing.T) {
	for _, pair := range []struct {
		name           string
		server, client bool // naru's
	}{
		{"naru serves grpc-go", true, false},
		{"grpc-go serves naru", false, true},
		{"naru serves naru", true, true},
	} {
		t.Run(pair.name, func(t *testing.T) {
			addr := serve(t, pair.server)
			for name, run := range cases {
				t.Run(name, func(t *testing.T) {
					defer fatalsAreFailures(t)
					run(t, dial(t, pair.client, addr))
				})
			}
		})
	}
}

// TestORCAPerRPC runs orca_per_rpc with grpc-go's client: the case looks at reports by a balancer
// of grpc-go.
func TestORCAPerRPC(t *testing.T) {
	defer fatalsAreFailures(t)
	cc := dial(t, false, serve(t, true), grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`))
	interop.DoORCAPerRPCTest(t.Context(), testpb.NewTestServiceClient(cc))
	_, err := bridge.NewClient("passthrough:///x", credentialsOption(t), grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`))
	if err == nil {
		t.Error("a policy that naru does not know was taken")
	}
}

// identified is grpc-go's implementation with the identity that pick_first_unary asks for, which it
// lacks.
type identified struct{ testpb.TestServiceServer }

func (s identified) UnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	res, err := s.TestServiceServer.UnaryCall(ctx, req)
	if err == nil && req.FillServerId {
		res.ServerId = "the only one"
	}
	return res, err
}

func fatalsAreFailures(t *testing.T) {
	if fatal := recover(); fatal != nil {
		t.Error(fatal)
	}
}

func serve(t *testing.T, onNaru bool) string {
	t.Helper()
	creds, err := credentials.NewServerTLSFromFile(testdata.Path("server1.pem"), testdata.Path("server1.key"))
	if err != nil {
		t.Fatal(err)
	}
	opts := []grpc.ServerOption{orca.CallMetricsServerOption(nil), grpc.Creds(creds)}
	var s interface {
		grpc.ServiceRegistrar
		Serve(net.Listener) error
		Stop()
	} = grpc.NewServer(opts...)
	if onNaru {
		s = bridge.NewServer(opts...)
	}
	testpb.RegisterTestServiceServer(s, identified{interop.NewTestServer(interop.NewTestServerOptions{MetricsRecorder: orca.NewServerMetricsRecorder()})})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

func credentialsOption(t *testing.T) grpc.DialOption {
	t.Helper()
	creds, err := credentials.NewClientTLSFromFile(testdata.Path("ca.pem"), "foo.test.google.fr")
	if err != nil {
		t.Fatal(err)
	}
	return grpc.WithTransportCredentials(creds)
}

func dial(t *testing.T, onNaru bool, addr string, more ...grpc.DialOption) conn {
	t.Helper()
	opts := append([]grpc.DialOption{credentialsOption(t)}, more...)
	var cc conn
	var err error
	if onNaru {
		cc, err = bridge.NewClient("passthrough:///"+addr, opts...)
	} else {
		cc, err = grpc.NewClient("passthrough:///"+addr, opts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}
