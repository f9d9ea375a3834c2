package interop

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/narutest"
	"google.golang.org/grpc"
	grpcinterop "google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/orca"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

var soak = Soak{
	Iterations: 40, Threads: 4, MaxLatency: 20 * time.Second, Overall: time.Minute,
	Request: largeRequest, Response: largeResponse,
}

// A case that cannot fail shows nothing: against a server without the service all but those that
// want an error must fail.
func TestCasesFailAgainstNothing(t *testing.T) {
	srv := newServer(t)
	peer := Peer{Soak: soak, Dial: func(opts ...naru.ClientOption) (*naru.Client, error) { return naru.InProcess(srv, opts...) }}
	peer.Soak.Iterations, peer.Soak.Log = 4, t.Output()
	for _, name := range Cases() {
		err := Run(t.Context(), peer, name)
		switch name {
		case "unimplemented_method", "unimplemented_service":
			if err != nil {
				t.Errorf("%s: %v, want nil: there is nothing", name, err)
			}
		case "cancel_after_begin", "timeout_on_sleeping_server":
			// Whether the cancellation or the refusal comes first is a race.
		default:
			if err == nil {
				t.Errorf("%s passed against a server without services", name)
			}
		}
	}
	if err := Run(t.Context(), peer, "no_such_case"); err == nil || !strings.Contains(err.Error(), "ping_pong") {
		t.Errorf("an unknown case: %v, want an error that names the cases", err)
	}
}

func TestCasesInProcess(t *testing.T) {
	srv := newServer(t)
	NewServer().Register(srv)
	runCases(t, Peer{Dial: func(opts ...naru.ClientOption) (*naru.Client, error) { return naru.InProcess(srv, opts...) }})
}

func TestCasesOverHTTP2(t *testing.T) {
	srv := newServer(t)
	NewServer().Register(srv)
	lis := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
	runCases(t, dialer(lis))
}

// Cases that grpc-go's server does not have the answers for.
var notOnGRPCGo = map[string]bool{
	"cacheable_unary": true, "pick_first_unary": true,
	"client_compressed_unary": true, "client_compressed_streaming": true,
	"server_compressed_unary": true, "server_compressed_streaming": true,
}

func TestCasesAgainstGRPCGo(t *testing.T) {
	lis := listen(t)
	recorder := orca.NewServerMetricsRecorder()
	srv := grpc.NewServer(orca.CallMetricsServerOption(nil))
	testpb.RegisterTestServiceServer(srv, grpcinterop.NewTestServer(grpcinterop.NewTestServerOptions{MetricsRecorder: recorder}))
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		<-ended
	})
	// grpc-go reports out of band every 30 s at most, except in its own interop program.
	runCases(t, dialer(lis), "orca_oob")
}

func newServer(t *testing.T) *naru.Server {
	t.Helper()
	srv, err := naru.NewServer(naru.WithInterceptors(ExpectCompressed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return srv
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lis.Close() })
	return lis
}

func dialer(lis net.Listener) Peer {
	return Peer{Dial: func(opts ...naru.ClientOption) (*naru.Client, error) {
		return naru.NewClient(lis.Addr().String(), append(opts, naru.WithPlaintext())...)
	}}
}

func runCases(t *testing.T, peer Peer, except ...string) {
	peer.Soak = soak
	grpcGo := strings.Contains(t.Name(), "GRPCGo")
	for _, name := range Cases() {
		if grpcGo && notOnGRPCGo[name] || contains(except, name) {
			continue
		}
		if underRace && name == "concurrent_large_unary" {
			continue // 600 MB; the peer tests have a smaller share of the same
		}
		t.Run(name, func(t *testing.T) {
			peer.Soak.Log = t.Output()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := Run(ctx, peer, name); err != nil {
				t.Error(err)
			}
		})
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
