package conformance

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	pb "github.com/naru-rpc/naru/test/internal/conformancepb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// metadataOf turns the suite's headers into metadata. Values of -bin keys are base64 in the
// suite's messages and raw bytes in metadata.
func metadataOf(headers []*pb.Header) metadata.MD {
	md := metadata.MD{}
	for _, h := range headers {
		for _, v := range h.Value {
			if metadata.IsBinary(strings.ToLower(h.Name)) {
				v = decodeBinary(v)
			}
			md.Append(h.Name, v)
		}
	}
	return md
}

// headersOf is the reverse of metadataOf.
func headersOf(md metadata.MD) []*pb.Header {
	var headers []*pb.Header
	for key, values := range md {
		h := &pb.Header{Name: key}
		for _, v := range values {
			if metadata.IsBinary(key) {
				v = base64.RawStdEncoding.EncodeToString([]byte(v))
			}
			h.Value = append(h.Value, v)
		}
		headers = append(headers, h)
	}
	return headers
}

// decodeBinary accepts base64 with and without padding, and leaves alone what is neither.
func decodeBinary(v string) string {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
	if err != nil {
		return v
	}
	return string(b)
}

// errorOf makes the error that the suite asked a handler to fail with; extra goes behind its
// details.
func errorOf(e *pb.Error, extra ...proto.Message) error {
	var details []proto.Message
	for _, d := range e.Details {
		details = append(details, d) // an Any stays as it is
	}
	st, err := status.New(codes.Code(e.Code), e.GetMessage()).WithDetails(append(details, extra...)...)
	if err != nil {
		return status.Errorf(codes.Internal, "details of the error asked for: %w", err)
	}
	return st.Err()
}

// protoError describes a call's error to the suite.
func protoError(err error) *pb.Error {
	st := status.Convert(err)
	return &pb.Error{Code: pb.Code(st.Code()), Message: new(st.Message()), Details: st.RawDetails()}
}

// requestInfo tells the suite what a handler saw of the request.
func requestInfo(ctx context.Context, requests ...*anypb.Any) *pb.ConformancePayload_RequestInfo {
	md, _ := metadata.FromIncomingContext(ctx)
	info := &pb.ConformancePayload_RequestInfo{RequestHeaders: headersOf(md), Requests: requests}
	if deadline, ok := ctx.Deadline(); ok {
		info.TimeoutMs = new(max(0, time.Until(deadline).Milliseconds()))
	}
	return info
}

// wait waits d, or until ctx is done.
func wait(ctx context.Context, ms uint32) error {
	if ms == 0 {
		return nil
	}
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
