package peers

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	testsvc "github.com/naru-rpc/naru/test/internal/grpctestingnaru"
	"github.com/naru-rpc/naru/test/internal/interop"
	"google.golang.org/grpc"
	grpcinterop "google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// A testService is grpc.testing.TestService as its callers see it, on either stack.
type testService struct {
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	output func(context.Context, *testpb.StreamingOutputCallRequest) (func() (*testpb.StreamingOutputCallResponse, error), error)
	input  func(context.Context) (func(*testpb.StreamingInputCallRequest) error, func() (*testpb.StreamingInputCallResponse, error), error)
}

// forEachTestService runs body with naru and grpc-go at each end of one connection.
func forEachTestService(t *testing.T, body func(*testing.T, *testService)) {
	for _, server := range []string{"naru", "grpc-go"} {
		for _, client := range []string{"naru", "grpc-go"} {
			t.Run(client+" client, "+server+" server", func(t *testing.T) {
				lis := listen(t)
				if server == "naru" {
					srv := newNaruServer(t, nil)
					interop.NewServer().Register(srv)
					serveNaru(t, srv, lis)
				} else {
					srv := newGRPCGoServer(nil)
					testpb.RegisterTestServiceServer(srv, grpcinterop.NewTestServer())
					serveGRPCGo(t, srv, lis)
				}
				if client == "naru" {
					body(t, naruTestService(dialNaru(t, lis.Addr().String(), nil)))
				} else {
					body(t, grpcGoTestService(dialGRPCGo(t, lis.Addr().String(), nil)))
				}
			})
		}
	}
}

func naruTestService(cc naru.ClientConnInterface) *testService {
	c := testsvc.NewTestServiceClient(cc)
	return &testService{
		unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return c.UnaryCall(ctx, req)
		},
		output: func(ctx context.Context, req *testpb.StreamingOutputCallRequest) (func() (*testpb.StreamingOutputCallResponse, error), error) {
			s, err := c.StreamingOutputCall(ctx, req)
			if err != nil {
				return nil, err
			}
			return s.Recv, nil
		},
		input: func(ctx context.Context) (func(*testpb.StreamingInputCallRequest) error, func() (*testpb.StreamingInputCallResponse, error), error) {
			s, err := c.StreamingInputCall(ctx)
			if err != nil {
				return nil, nil, err
			}
			return s.Send, s.CloseAndRecv, nil
		},
	}
}

func grpcGoTestService(cc grpc.ClientConnInterface) *testService {
	c := testpb.NewTestServiceClient(cc)
	return &testService{
		unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return c.UnaryCall(ctx, req)
		},
		output: func(ctx context.Context, req *testpb.StreamingOutputCallRequest) (func() (*testpb.StreamingOutputCallResponse, error), error) {
			s, err := c.StreamingOutputCall(ctx, req)
			if err != nil {
				return nil, err
			}
			return s.Recv, nil
		},
		input: func(ctx context.Context) (func(*testpb.StreamingInputCallRequest) error, func() (*testpb.StreamingInputCallResponse, error), error) {
			s, err := c.StreamingInputCall(ctx)
			if err != nil {
				return nil, nil, err
			}
			return s.Send, s.CloseAndRecv, nil
		},
	}
}

// Many messages that are larger than a stream's first window, at once: half-received ones must not
// hold so much of the connection's window that none can be completed.
func TestManyLargeMessagesAtOnce(t *testing.T) {
	const up, down = 300_000, 300_000
	calls := 400
	if underRace {
		calls = 100 // 30 MB each way: still twice what a connection may hold
	}
	forEachTestService(t, func(t *testing.T, s *testService) {
		ctx := within(t, 60*time.Second)
		var running sync.WaitGroup
		for range calls {
			running.Go(func() {
				res, err := s.unary(ctx, &testpb.SimpleRequest{ResponseSize: down, Payload: &testpb.Payload{Body: make([]byte, up)}})
				if err != nil {
					t.Errorf("call: %v", err)
				} else if got := len(res.Payload.Body); got != down {
					t.Errorf("%d bytes came back, want %d", got, down)
				}
			})
		}
		running.Wait()
	})
}

// 64 MiB down and up one stream each: long enough for both ends to measure, ping and resize as they
// do.
func TestLongStreams(t *testing.T) {
	const size = 64 << 10
	messages := 1024
	if underRace {
		messages = 128
	}
	forEachTestService(t, func(t *testing.T, s *testService) {
		t.Run("down", func(t *testing.T) {
			req := &testpb.StreamingOutputCallRequest{}
			for range messages {
				req.ResponseParameters = append(req.ResponseParameters, &testpb.ResponseParameters{Size: size})
			}
			recv, err := s.output(within(t, 60*time.Second), req)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := drain(recv); err != io.EOF || n != messages*size {
				t.Errorf("received %d bytes, then %v; want %d and the end", n, err, messages*size)
			}
		})
		t.Run("up", func(t *testing.T) {
			send, closeAndRecv, err := s.input(within(t, 60*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if err := sendMany(send, messages, size); err != nil {
				t.Fatal(err)
			}
			res, err := closeAndRecv()
			if err != nil {
				t.Fatal(err)
			}
			if int(res.AggregatedPayloadSize) != messages*size {
				t.Errorf("the server counted %d bytes, want %d", res.AggregatedPayloadSize, messages*size)
			}
		})
	})
}

// A receiver that stops reading one stream must not stop the others on its connection.
func TestUnreadStreamsBesideCalls(t *testing.T) {
	forEachTestService(t, func(t *testing.T, s *testService) {
		ctx := within(t, 60*time.Second)
		req := &testpb.StreamingOutputCallRequest{}
		for range 64 {
			req.ResponseParameters = append(req.ResponseParameters, &testpb.ResponseParameters{Size: 256 << 10})
		}
		for range 50 {
			if _, err := s.output(ctx, req); err != nil { // 16 MiB, of which nothing is read
				t.Fatal(err)
			}
		}
		for i := range 20 {
			if _, err := s.unary(ctx, &testpb.SimpleRequest{ResponseSize: 1000}); err != nil {
				t.Fatalf("call %d beside unread streams: %v", i, err)
			}
		}
	})
}

func drain(recv func() (*testpb.StreamingOutputCallResponse, error)) (n int, err error) {
	for {
		res, err := recv()
		if err != nil {
			return n, err
		}
		n += len(res.Payload.Body)
	}
}

func sendMany(send func(*testpb.StreamingInputCallRequest) error, messages, size int) error {
	req := &testpb.StreamingInputCallRequest{Payload: &testpb.Payload{Body: make([]byte, size)}}
	for i := range messages {
		if err := send(req); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}
