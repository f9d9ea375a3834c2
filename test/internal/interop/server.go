package interop

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	orcadata "github.com/cncf/xds/go/xds/data/orca/v3"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	testsvc "github.com/naru-rpc/naru/test/internal/grpctestingnaru"
	orcasvc "github.com/naru-rpc/naru/test/internal/orcanaru"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

// Keys of metadata that the server echoes, and the key of a call's load report.
const (
	initialKey  = "x-grpc-test-echo-initial"
	trailingKey = "x-grpc-test-echo-trailing-bin"
	reportKey   = "endpoint-load-metrics-bin" // gRFC A51
)

// maxPayload bounds what a caller may ask to be sent back in one message.
const maxPayload = 16 << 20

// Server is grpc.testing.TestService, and the ORCA service that reports the load it was told to
// have. Use NewServer.
type Server struct {
	// Method UnimplementedCall is not implemented, which is its purpose.
	testsvc.UnimplementedTestServiceServer

	id string // immutable

	// reporting serialises the calls that set the load, as long as they last: their callers
	// expect to read back what they set.
	reporting chan struct{} // capacity 1: a lock that can be waited for with a context

	mu   sync.Mutex
	load *orcadata.OrcaLoadReport // guarded by mu; not changed in place
}

// NewServer returns a server whose id is made of the host's name and the process id.
func NewServer() *Server {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &Server{
		id:        fmt.Sprintf("%s-%d", host, os.Getpid()),
		reporting: make(chan struct{}, 1),
		load:      &orcadata.OrcaLoadReport{},
	}
}

// Register adds the server's services to r. A server that is to notice requests which are not
// compressed as they say needs the interceptor [ExpectCompressed] as well.
func (s *Server) Register(r naru.ServiceRegistrar) {
	testsvc.RegisterTestServiceServer(r, s)
	orcasvc.RegisterOpenRcaServiceServer(r, s)
}

// EmptyCall answers nothing with nothing.
func (s *Server) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, nil
}

// UnaryCall answers with a payload of the size asked for, or the status.
func (s *Server) UnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if err := echoMetadata(ctx); err != nil {
		return nil, err
	}
	if err := statusOf(req.ResponseStatus); err != nil {
		return nil, err
	}
	if report := req.OrcaPerQueryReport; report != nil {
		b, err := proto.Marshal(loadOf(report))
		if err != nil {
			return nil, err
		}
		if err := naru.SetTrailer(ctx, metadata.Pairs(reportKey, string(b))); err != nil {
			return nil, err
		}
	}
	payload, err := newPayload(req.ResponseType, req.ResponseSize)
	if err != nil {
		return nil, err
	}
	res := &testpb.SimpleResponse{Payload: payload}
	if req.FillServerId {
		res.ServerId = s.id
	}
	return res, compressAnswer(ctx, req.ResponseCompressed)
}

// CacheableUnaryCall is UnaryCall: nothing between client and server caches here.
func (s *Server) CacheableUnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.UnaryCall(ctx, req)
}

// StreamingOutputCall answers with one message for each size asked for.
func (s *Server) StreamingOutputCall(req *testpb.StreamingOutputCallRequest, stream naru.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	if err := statusOf(req.ResponseStatus); err != nil {
		return err
	}
	return s.answer(stream.Context(), req, stream.Send)
}

// StreamingInputCall answers with the size of all the payloads sent.
func (s *Server) StreamingInputCall(stream naru.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	sum := 0
	for req, err := range stream.All() {
		if err != nil {
			return err
		}
		sum += len(req.Payload.GetBody())
	}
	return stream.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
}

// FullDuplexCall answers each request as it comes.
func (s *Server) FullDuplexCall(stream naru.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	ctx := stream.Context()
	if err := echoMetadata(ctx); err != nil {
		return err
	}
	reporting := false
	for req, err := range stream.All() {
		if err != nil {
			return err
		}
		if err := statusOf(req.ResponseStatus); err != nil {
			return err
		}
		if report := req.OrcaOobReport; report != nil {
			if !reporting {
				if err := s.beginReporting(ctx); err != nil {
					return err
				}
				defer s.endReporting()
				reporting = true
			}
			s.setLoad(loadOf(report))
		}
		if err := s.answer(ctx, req, stream.Send); err != nil {
			return err
		}
	}
	return nil
}

// HalfDuplexCall answers every request after the last one has come.
func (s *Server) HalfDuplexCall(stream naru.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	var requests []*testpb.StreamingOutputCallRequest
	for req, err := range stream.All() {
		if err != nil {
			return err
		}
		requests = append(requests, req)
	}
	for _, req := range requests {
		if err := s.answer(stream.Context(), req, stream.Send); err != nil {
			return err
		}
	}
	return nil
}

// answer sends what req asks for, each message after its interval.
func (s *Server) answer(ctx context.Context, req *testpb.StreamingOutputCallRequest, send func(*testpb.StreamingOutputCallResponse) error) error {
	for _, p := range req.ResponseParameters {
		if err := pause(ctx, time.Duration(p.IntervalUs)*time.Microsecond); err != nil {
			return err
		}
		payload, err := newPayload(req.ResponseType, p.Size)
		if err != nil {
			return err
		}
		if err := compressAnswer(ctx, p.Compressed); err != nil {
			return err
		}
		if err := send(&testpb.StreamingOutputCallResponse{Payload: payload}); err != nil {
			return err
		}
	}
	return nil
}

// echoMetadata sends back the two keys that the tests look at: one as a header, one as a trailer.
func echoMetadata(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if values := md.Get(initialKey); len(values) > 0 {
		if err := naru.SendHeader(ctx, metadata.Pairs(initialKey, values[0])); err != nil {
			return err
		}
	}
	if values := md.Get(trailingKey); len(values) > 0 {
		return naru.SetTrailer(ctx, metadata.Pairs(trailingKey, values[0]))
	}
	return nil
}

func statusOf(want *testpb.EchoStatus) error {
	if want.GetCode() == 0 {
		return nil
	}
	return status.Error(codes.Code(want.Code), want.Message)
}

func newPayload(kind testpb.PayloadType, size int32) (*testpb.Payload, error) {
	if kind != testpb.PayloadType_COMPRESSABLE {
		return nil, status.Errorf(codes.InvalidArgument, "payload type %v is not offered", kind)
	}
	if size < 0 || size > maxPayload {
		return nil, status.Errorf(codes.InvalidArgument, "a payload of %d bytes: want 0 to %d", size, maxPayload)
	}
	return &testpb.Payload{Type: kind, Body: make([]byte, size)}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
