//lint:file-ignore SA1019 options that grpc-go still takes are tested, deprecated ones too

package grpcgo_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/contrib/grpcgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/local"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/testdata"
)

// TestTLS calls over TLS made by grpc-go's credentials, and looks at the peers of both ends.
func TestTLS(t *testing.T) {
	serverCreds, err := credentials.NewServerTLSFromFile(testdata.Path("server1.pem"), testdata.Path("server1.key"))
	if err != nil {
		t.Fatal(err)
	}
	clientCreds, err := credentials.NewClientTLSFromFile(testdata.Path("ca.pem"), "foo.test.google.fr")
	if err != nil {
		t.Fatal(err)
	}
	impl := &service{unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		p, _ := peer.FromContext(ctx)
		if _, ok := p.AuthInfo.(credentials.TLSInfo); !ok {
			return nil, status.Errorf(codes.FailedPrecondition, "AuthInfo is a %T", p.AuthInfo)
		}
		md, _ := metadata.FromIncomingContext(ctx)
		if got := strings.Join(md.Get("authorization"), ","); got != "token for "+testpb.TestService_UnaryCall_FullMethodName {
			return nil, status.Errorf(codes.Unauthenticated, "authorization is %q", got)
		}
		return echo(ctx, req)
	}}
	for _, pair := range [][2]stack{{onGRPCGo, onGRPCGo}, {onNaru, onGRPCGo}, {onGRPCGo, onNaru}, {onNaru, onNaru}} {
		t.Run(string(pair[0])+" serves "+string(pair[1]), func(t *testing.T) {
			addr := serve(t, pair[0], func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, impl) }, grpc.Creds(serverCreds))
			cc := dial(t, pair[1], addr, grpc.WithTransportCredentials(clientCreds), grpc.WithPerRPCCredentials(bearer{}))
			var p peer.Peer
			if err := call(t, cc, "x", grpc.Peer(&p)); err != nil {
				t.Fatal(err)
			}
			if info, ok := p.AuthInfo.(credentials.TLSInfo); !ok || len(info.State.PeerCertificates) == 0 {
				t.Errorf("the client's peer has the AuthInfo %T", p.AuthInfo)
			}
		})
	}
}

// bearer is a credential that wants TLS and knows the method.
type bearer struct{}

func (bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	info, ok := credentials.RequestInfoFromContext(ctx)
	if !ok {
		return nil, errors.New("no request info")
	}
	if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "token for " + info.Method}, nil
}
func (bearer) RequireTransportSecurity() bool { return true }

// TestResolverAndDialer reaches a server through a resolver and a dialer of grpc-go, with a service
// config.
func TestResolverAndDialer(t *testing.T) {
	impl := &service{unary: echo}
	for _, on := range []stack{onGRPCGo, onNaru} {
		t.Run(string(on), func(t *testing.T) {
			addr := serve(t, onGRPCGo, func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, impl) })
			r := manual.NewBuilderWithScheme("byhand")
			r.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: "a-name:1"}}})
			dialed := make(chan string, 1)
			cc, err := newClient(on, "byhand:///service", plain(), grpc.WithResolvers(r),
				grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
				grpc.WithContextDialer(func(ctx context.Context, name string) (net.Conn, error) {
					select {
					case dialed <- name:
					default:
					}
					return new(net.Dialer).DialContext(ctx, "tcp", addr)
				}))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			if err := call(t, cc, "x", grpc.WaitForReady(true)); err != nil {
				t.Fatal(err)
			}
			if got := <-dialed; got != "a-name:1" {
				t.Errorf("the dialer got %q, want the resolver's address", got)
			}
			if cc.Target() != "byhand:///service" || cc.GetState() != connectivity.Ready {
				t.Errorf("target %q, state %v", cc.Target(), cc.GetState())
			}
			cc.Close()
			if cc.GetState() != connectivity.Shutdown {
				t.Errorf("state after Close is %v", cc.GetState())
			}
		})
	}
}

// TestRefusedOptions names what cannot be carried over.
func TestRefusedOptions(t *testing.T) {
	for name, opt := range map[string]grpc.ServerOption{
		"Creds":           grpc.Creds(local.NewCredentials()),
		"RPCCompressor":   grpc.RPCCompressor(grpc.NewGZIPCompressor()),
		"RPCDecompressor": grpc.RPCDecompressor(grpc.NewGZIPDecompressor()),
	} {
		if _, err := grpcgo.MakeServer(opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("server, %s: got %v, want an error with its name", name, err)
		}
	}
	for name, opt := range map[string]grpc.DialOption{
		"WithTransportCredentials": grpc.WithTransportCredentials(local.NewCredentials()),
		"WithCompressor":           grpc.WithCompressor(grpc.NewGZIPCompressor()),
		"invalid":                  grpc.WithDefaultServiceConfig("{"),
	} {
		if _, err := grpcgo.NewClient("passthrough:///x", plain(), opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("client, %s: got %v, want an error with its name", name, err)
		}
	}
	if _, err := grpcgo.NewClient("passthrough:///x"); err == nil {
		t.Error("a client without credentials is made, which grpc-go refuses")
	}
}

// TestEnds has one row for each order in which a stream may end, with what both ends see.
func TestEnds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		serve   func(testpb.TestService_FullDuplexCallServer) error
		code    codes.Code
		header  bool
		trailer bool
		got     int // messages
	}{
		{"error at once", func(ss testpb.TestService_FullDuplexCallServer) error { return status.Error(codes.NotFound, "no") }, codes.NotFound, false, false, 0},
		{"trailer and error", func(ss testpb.TestService_FullDuplexCallServer) error {
			ss.SetTrailer(metadata.Pairs("t", "1"))
			return status.Error(codes.NotFound, "no")
		}, codes.NotFound, false, true, 0},
		{"header, error", func(ss testpb.TestService_FullDuplexCallServer) error {
			if err := ss.SendHeader(metadata.Pairs("h", "1")); err != nil {
				return err
			}
			return status.Error(codes.Aborted, "no")
		}, codes.Aborted, true, false, 0},
		{"message, error", func(ss testpb.TestService_FullDuplexCallServer) error {
			if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			ss.SetTrailer(metadata.Pairs("t", "1"))
			return status.Error(codes.DataLoss, "no")
		}, codes.DataLoss, false, true, 1},
		{"OK without a message", func(ss testpb.TestService_FullDuplexCallServer) error { return nil }, codes.OK, false, false, 0},
		{"OK before the client's end", func(ss testpb.TestService_FullDuplexCallServer) error {
			if err := ss.SetHeader(metadata.Pairs("h", "1")); err != nil {
				return err
			}
			return ss.Send(&testpb.StreamingOutputCallResponse{})
		}, codes.OK, true, false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pairs(t, &service{duplex: tc.serve}, func(t *testing.T, cc grpc.ClientConnInterface) {
				s, err := testpb.NewTestServiceClient(cc).FullDuplexCall(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got := 0
				for err == nil {
					if _, err = s.Recv(); err == nil {
						got++
					}
				}
				if err == io.EOF {
					err = nil
				}
				header, headerErr := s.Header()
				if status.Code(err) != tc.code || got != tc.got || headerErr != nil {
					t.Errorf("got %d messages, %v, and %v for the header; want %d, %v", got, err, headerErr, tc.got, tc.code)
				}
				if (len(header.Get("h")) > 0) != tc.header || (len(s.Trailer().Get("t")) > 0) != tc.trailer {
					t.Errorf("header %v, trailer %v; want h: %v, t: %v", header, s.Trailer(), tc.header, tc.trailer)
				}
				if err := s.Send(&testpb.StreamingOutputCallRequest{}); err != io.EOF {
					t.Errorf("Send after the end returns %v, want io.EOF", err)
				}
			})
		})
	}
}

// TestCancel ends a call from the client, and looks at what the handler sees.
func TestCancel(t *testing.T) {
	seen := make(chan error, 1)
	impl := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-ss.Context().Done()
		seen <- ss.Context().Err()
		return ss.Context().Err()
	}}
	pairs(t, impl, func(t *testing.T, cc grpc.ClientConnInterface) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s, err := testpb.NewTestServiceClient(cc).FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := s.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("the client got %v, want Canceled", err)
		}
		if err := <-seen; err != context.Canceled {
			t.Errorf("the handler's context ended with %v, want Canceled", err)
		}
	})
}

func plain() grpc.DialOption { return grpc.WithTransportCredentials(insecure.NewCredentials()) }
