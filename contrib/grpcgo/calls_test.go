package grpcgo_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func payload(text string) *testpb.Payload { return &testpb.Payload{Body: []byte(text)} }

// TestUnary calls a handler that uses what grpc-go offers to handlers, from a client that uses what
// it offers to clients.
func TestUnary(t *testing.T) {
	impl := &service{unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		method, ok := grpc.Method(ctx)
		if !ok || method != testpb.TestService_UnaryCall_FullMethodName {
			return nil, status.Errorf(codes.FailedPrecondition, "grpc.Method gives %q, %v", method, ok)
		}
		md, ok := metadata.FromIncomingContext(ctx)
		if !ok {
			return nil, status.Error(codes.FailedPrecondition, "no incoming metadata")
		}
		if got := md.Get("content-type"); len(got) != 1 || got[0] != "application/grpc" {
			return nil, status.Errorf(codes.FailedPrecondition, "content-type %q", got)
		}
		p, ok := peer.FromContext(ctx)
		if !ok || p.Addr == nil || p.AuthInfo != nil {
			return nil, status.Errorf(codes.FailedPrecondition, "peer %v, %v", p, ok)
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs("h1", "a")); err != nil {
			return nil, err
		}
		if err := grpc.SendHeader(ctx, metadata.Pairs("H2-bin", "\x00\xff")); err != nil {
			return nil, err
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs("h3", "late")); err == nil {
			return nil, status.Error(codes.FailedPrecondition, "SetHeader after SendHeader succeeds")
		}
		if err := grpc.SetTrailer(ctx, metadata.Pairs("t1", md.Get("given")[0])); err != nil {
			return nil, err
		}
		return &testpb.SimpleResponse{Payload: req.Payload, Username: md.Get("given-bin")[0]}, nil
	}}
	pairs(t, impl, func(t *testing.T, cc grpc.ClientConnInterface) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "Given", "x", "given-bin", "\x01\x02")
		var header, trailer metadata.MD
		var p peer.Peer
		finished := 0
		res, err := testpb.NewTestServiceClient(cc).UnaryCall(ctx, &testpb.SimpleRequest{Payload: payload("hello")},
			grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p), grpc.WaitForReady(true), grpc.StaticMethod(),
			grpc.OnFinish(func(err error) {
				if finished++; err != nil {
					t.Errorf("OnFinish got %v", err)
				}
			}))
		if err != nil {
			t.Fatal(err)
		}
		if string(res.Payload.Body) != "hello" || res.Username != "\x01\x02" {
			t.Errorf("response is %v", res)
		}
		if got := header.Get("h1"); len(got) != 1 || got[0] != "a" {
			t.Errorf("header is %v", header)
		}
		if got := header.Get("h2-bin"); len(got) != 1 || got[0] != "\x00\xff" {
			t.Errorf("header is %v", header)
		}
		if got := trailer.Get("t1"); len(got) != 1 || got[0] != "x" {
			t.Errorf("trailer is %v", trailer)
		}
		if p.Addr == nil || p.AuthInfo == nil || p.AuthInfo.AuthType() != "insecure" {
			t.Errorf("peer is %v", &p)
		}
		if finished != 1 {
			t.Errorf("OnFinish was called %d times, want once", finished)
		}
	})
}

// TestErrors sends errors of every make, and takes them apart with grpc-go's functions.
func TestErrors(t *testing.T) {
	rich, err := status.New(codes.ResourceExhausted, "quota").WithDetails(
		&errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		err     error
		code    codes.Code
		text    string
		details int
	}{
		{"status", status.Error(codes.NotFound, "no product 7"), codes.NotFound, "no product 7", 0},
		{"details", rich.Err(), codes.ResourceExhausted, "quota", 1},
		{"wrapped", errors.Join(errors.New("a"), rich.Err()), codes.ResourceExhausted, "a\n" + rich.Err().Error(), 1},
		{"plain", errors.New("boom"), codes.Unknown, "boom", 0},
		{"context", context.Canceled, codes.Canceled, "context canceled", 0},
		{"deadline", context.DeadlineExceeded, codes.DeadlineExceeded, "context deadline exceeded", 0},
		{"io.EOF", io.EOF, codes.Unknown, "EOF", 0},
		{"unicode", status.Error(codes.Aborted, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"), codes.Aborted, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			impl := &service{
				unary:  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { return nil, tc.err },
				duplex: func(ss testpb.TestService_FullDuplexCallServer) error { return tc.err },
			}
			pairs(t, impl, func(t *testing.T, cc grpc.ClientConnInterface) {
				client := testpb.NewTestServiceClient(cc)
				_, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{})
				checkStatus(t, "unary", err, tc.code, tc.text, tc.details)
				s, err := client.FullDuplexCall(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Recv()
				checkStatus(t, "stream", err, tc.code, tc.text, tc.details)
			})
		})
	}
}

func checkStatus(t *testing.T, what string, err error, code codes.Code, text string, details int) {
	t.Helper()
	s, ok := status.FromError(err)
	if !ok || s.Code() != code || s.Message() != text || len(s.Details()) != details {
		t.Errorf("%s: got %v (a status: %v), %d details; want %v %q with %d", what, err, ok, len(s.Details()), code, text, details)
		return
	}
	if want := s.Err(); err.Error() != want.Error() || !errors.Is(err, want) {
		t.Errorf("%s: the error is %q, want %q, and errors.Is to find it", what, err, want)
	}
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) || !proto.Equal(carrier.GRPCStatus().Proto(), s.Proto()) {
		t.Errorf("%s: errors.As does not find the status in %v", what, err)
	}
}

// TestStreams runs the three kinds of stream.
func TestStreams(t *testing.T) {
	impl := &service{
		input: func(ss testpb.TestService_StreamingInputCallServer) error {
			n := 0
			for {
				req, err := ss.Recv()
				if err == io.EOF {
					return ss.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
				}
				if err != nil {
					return err
				}
				n += len(req.Payload.Body)
			}
		},
		output: func(req *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			for _, p := range req.ResponseParameters {
				if err := ss.Send(&testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, p.Size)}}); err != nil {
					return err
				}
			}
			ss.SetTrailer(metadata.Pairs("sent", "all"))
			return nil
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			if err := ss.SendHeader(metadata.Pairs("early", "yes")); err != nil {
				return err
			}
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
		},
	}
	pairs(t, impl, func(t *testing.T, cc grpc.ClientConnInterface) {
		client := testpb.NewTestServiceClient(cc)
		runInput(t, client)
		runOutput(t, client)
		runDuplex(t, client)
	})
}

func runInput(t *testing.T, client testpb.TestServiceClient) {
	in, err := client.StreamingInputCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := in.Send(&testpb.StreamingInputCallRequest{Payload: payload("12345")}); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := in.CloseAndRecv(); err != nil || res.AggregatedPayloadSize != 15 {
		t.Errorf("client stream: got %v, %v; want 15 bytes", res, err)
	}
}

func runOutput(t *testing.T, client testpb.TestServiceClient) {
	out, err := client.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{
		ResponseParameters: []*testpb.ResponseParameters{{Size: 1}, {Size: 70000}, {Size: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for {
		res, err := out.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(res.Payload.Body))
	}
	if len(sizes) != 3 || sizes[1] != 70000 {
		t.Errorf("server stream: sizes %v", sizes)
	}
	if got := out.Trailer().Get("sent"); len(got) != 1 {
		t.Errorf("server stream: trailer %v", out.Trailer())
	}
	if out.Context().Err() == nil {
		t.Error("server stream: its context has not ended with it")
	}
}

func runDuplex(t *testing.T, client testpb.TestServiceClient) {
	both, err := client.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	header, err := both.Header()
	if err != nil || len(header.Get("early")) != 1 {
		t.Errorf("bidi: header %v, %v", header, err)
	}
	if p, ok := peer.FromContext(both.Context()); !ok || p.Addr == nil {
		t.Errorf("bidi: peer in the stream's context is %v, %v", p, ok)
	}
	for _, text := range []string{"a", "bb"} {
		if err := both.Send(&testpb.StreamingOutputCallRequest{Payload: payload(text)}); err != nil {
			t.Fatal(err)
		}
		if res, err := both.Recv(); err != nil || string(res.Payload.Body) != text {
			t.Errorf("bidi: got %v, %v; want %q", res, err, text)
		}
	}
	if err := both.CloseSend(); err != nil {
		t.Error(err)
	}
	if _, err := both.Recv(); err != io.EOF {
		t.Errorf("bidi: got %v at the end, want io.EOF", err)
	}
}
