package interop

import (
	"fmt"
	"io"

	"github.com/naru-rpc/naru"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

func zeros(n int) *testpb.Payload { return &testpb.Payload{Body: make([]byte, n)} }

func largeCall() *testpb.SimpleRequest {
	return &testpb.SimpleRequest{ResponseSize: largeResponse, Payload: zeros(largeRequest)}
}

// pingOf returns the i-th request of a ping-pong.
func pingOf(i int) *testpb.StreamingOutputCallRequest {
	return &testpb.StreamingOutputCallRequest{
		ResponseParameters: []*testpb.ResponseParameters{{Size: responseSizes[i]}},
		Payload:            zeros(requestSizes[i]),
	}
}

// checkPayload wants n zeros.
func checkPayload(p *testpb.Payload, n int) error {
	if len(p.GetBody()) != n {
		return fmt.Errorf("got a payload of %d bytes, want %d", len(p.GetBody()), n)
	}
	for i, b := range p.GetBody() {
		if b != 0 {
			return fmt.Errorf("byte %d of a payload of %d zeros is %#x", i, n, b)
		}
	}
	return nil
}

// receiveAll wants payloads of the sizes, then the end.
func receiveAll(recv func() (*testpb.StreamingOutputCallResponse, error), sizes []int32) error {
	for i, n := range sizes {
		res, err := recv()
		if err != nil {
			return fmt.Errorf("receiving answer %d of %d: %w", i+1, len(sizes), err)
		}
		if err := checkPayload(res.Payload, int(n)); err != nil {
			return err
		}
	}
	return wantEnd(recv)
}

// endOf ends the client's half and wants the server to end with OK.
func endOf(stream naru.BidiStreamingClient[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return wantEnd(stream.Recv)
}

func wantEnd(recv func() (*testpb.StreamingOutputCallResponse, error)) error {
	if _, err := recv(); err != io.EOF {
		return fmt.Errorf("after the last answer: got %v, want the end of the stream", err)
	}
	return nil
}
