package interop

import (
	"context"
	"fmt"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	testsvc "github.com/naru-rpc/naru/test/internal/grpctestingnaru"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

var compressed = naru.WithCompression(compressor)

func boolValue(v bool) *testpb.BoolValue { return &testpb.BoolValue{Value: v} }

// clientCompressedUnary first makes sure that the server notices: a request that says it is
// compressed, and is not, must be refused.
func clientCompressedUnary(ctx context.Context, p *Peer) error {
	call := func(expect bool, opts ...naru.CallOption) error {
		req := largeCall()
		req.ExpectCompressed = boolValue(expect)
		res, err := p.test.UnaryCall(ctx, req, opts...)
		if err != nil {
			return err
		}
		return checkPayload(res.Payload, largeResponse)
	}
	if err := wantCode(call(true), codes.InvalidArgument); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if err := call(true, compressed); err != nil {
		return fmt.Errorf("compressed: %w", err)
	}
	if err := call(false); err != nil {
		return fmt.Errorf("not compressed: %w", err)
	}
	return nil
}

// clientCompressedStreaming sends a compressed and an uncompressed message on one stream, after the
// same probe.
func clientCompressedStreaming(ctx context.Context, p *Peer) error {
	const first, second = 27182, 45904
	probe, err := p.test.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	defer probe.Close()
	if err := probe.Send(&testpb.StreamingInputCallRequest{ExpectCompressed: boolValue(true), Payload: zeros(first)}); err != nil {
		return err
	}
	_, err = probe.CloseAndRecv()
	if err := wantCode(err, codes.InvalidArgument); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	stream, err := p.test.StreamingInputCall(ctx, compressed)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Send(&testpb.StreamingInputCallRequest{ExpectCompressed: boolValue(true), Payload: zeros(first)}); err != nil {
		return err
	}
	plain := &testpb.StreamingInputCallRequest{ExpectCompressed: boolValue(false), Payload: zeros(second)}
	if err := stream.SendMsg(naru.Uncompressed(plain)); err != nil {
		return err
	}
	res, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if res.AggregatedPayloadSize != first+second {
		return fmt.Errorf("the server counted %d bytes, want %d", res.AggregatedPayloadSize, first+second)
	}
	return nil
}

// watched returns a stub whose answers are noted in arrived: true for those that came compressed.
func (p *Peer) watched(arrived *[]bool) (testsvc.TestServiceClient, func() error, error) {
	watch := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		c.OnReceive(func(_ any, info naru.MessageInfo) error {
			*arrived = append(*arrived, info.Compressed)
			return nil
		})
		return next(ctx)
	}
	cc, err := p.Dial(naru.WithInterceptors(watch))
	if err != nil {
		return nil, nil, err
	}
	return testsvc.NewTestServiceClient(cc), cc.Close, nil
}

func serverCompressedUnary(ctx context.Context, p *Peer) error {
	for _, want := range []bool{true, false} {
		var arrived []bool
		test, done, err := p.watched(&arrived)
		if err != nil {
			return err
		}
		defer done()
		req := largeCall()
		req.ResponseCompressed = boolValue(want)
		res, err := test.UnaryCall(ctx, req)
		if err != nil {
			return err
		}
		if err := checkPayload(res.Payload, largeResponse); err != nil {
			return err
		}
		if len(arrived) != 1 || arrived[0] != want {
			return fmt.Errorf("answers came compressed %v, want one: %v", arrived, want)
		}
	}
	return nil
}

func serverCompressedStreaming(ctx context.Context, p *Peer) error {
	var arrived []bool
	test, done, err := p.watched(&arrived)
	if err != nil {
		return err
	}
	defer done()
	stream, err := test.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{
		ResponseParameters: []*testpb.ResponseParameters{
			{Compressed: boolValue(true), Size: 31415},
			{Compressed: boolValue(false), Size: 92653},
		},
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := receiveAll(stream.Recv, []int32{31415, 92653}); err != nil {
		return err
	}
	if len(arrived) != 2 || !arrived[0] || arrived[1] {
		return fmt.Errorf("answers came compressed %v, want true and false", arrived)
	}
	return nil
}
