package interop

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	testsvc "github.com/naru-rpc/naru/test/internal/grpctestingnaru"
	orcasvc "github.com/naru-rpc/naru/test/internal/orcanaru"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// A Peer is the server under test, and how to reach it.
type Peer struct {
	// Dial opens another channel to the same server, with more options. The caller closes it.
	Dial func(...naru.ClientOption) (*naru.Client, error)
	Soak Soak

	cc   *naru.Client
	test testsvc.TestServiceClient
	orca orcasvc.OpenRcaServiceClient
}

// cases by the names that --test_case takes everywhere.
var cases = map[string]func(context.Context, *Peer) error{
	"empty_unary":                 emptyUnary,
	"large_unary":                 largeUnary,
	"cacheable_unary":             cacheableUnary,
	"client_streaming":            clientStreaming,
	"server_streaming":            serverStreaming,
	"half_duplex":                 halfDuplex,
	"ping_pong":                   pingPong,
	"empty_stream":                emptyStream,
	"timeout_on_sleeping_server":  timeoutOnSleepingServer,
	"cancel_after_begin":          cancelAfterBegin,
	"cancel_after_first_response": cancelAfterFirstResponse,
	"status_code_and_message":     statusCodeAndMessage,
	"special_status_message":      specialStatusMessage,
	"custom_metadata":             customMetadata,
	"unimplemented_method":        unimplementedMethod,
	"unimplemented_service":       unimplementedService,
	"client_compressed_unary":     clientCompressedUnary,
	"server_compressed_unary":     serverCompressedUnary,
	"client_compressed_streaming": clientCompressedStreaming,
	"server_compressed_streaming": serverCompressedStreaming,
	"concurrent_large_unary":      concurrentLargeUnary,
	"pick_first_unary":            pickFirstUnary,
	"orca_per_rpc":                orcaPerRPC,
	"orca_oob":                    orcaOutOfBand,
	"rpc_soak":                    rpcSoak,
	"channel_soak":                channelSoak,
}

// Cases returns the names of the cases, sorted.
func Cases() []string { return slices.Sorted(maps.Keys(cases)) }

// Run runs one case against p. Its error says what differed from the description; nil means passed.
func Run(ctx context.Context, p Peer, name string) error {
	run, ok := cases[name]
	if !ok {
		return fmt.Errorf("no case %q: want one of %s", name, strings.Join(Cases(), ", "))
	}
	cc, err := p.Dial()
	if err != nil {
		return err
	}
	defer cc.Close()
	p.cc, p.test, p.orca = cc, testsvc.NewTestServiceClient(cc), orcasvc.NewOpenRcaServiceClient(cc)
	if err := run(ctx, &p); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Sizes that the descriptions name.
const (
	largeRequest  = 271828
	largeResponse = 314159
)

var (
	requestSizes  = []int{27182, 8, 1828, 45904}
	responseSizes = []int32{31415, 9, 2653, 58979}
)

func emptyUnary(ctx context.Context, p *Peer) error {
	_, err := p.test.EmptyCall(ctx, &testpb.Empty{})
	return err
}

func largeUnary(ctx context.Context, p *Peer) error {
	res, err := p.test.UnaryCall(ctx, largeCall())
	if err != nil {
		return err
	}
	return checkPayload(res.Payload, largeResponse)
}

func cacheableUnary(ctx context.Context, p *Peer) error {
	res, err := p.test.CacheableUnaryCall(ctx, largeCall())
	if err != nil {
		return err
	}
	return checkPayload(res.Payload, largeResponse)
}

func concurrentLargeUnary(ctx context.Context, p *Peer) error {
	const calls = 1000
	results := make(chan error, calls) // room for all of them
	for range calls {
		go func() { results <- largeUnary(ctx, p) }()
	}
	failed := 0
	var last error
	for range calls {
		if err := <-results; err != nil {
			failed, last = failed+1, err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d calls failed, the last with %w", failed, calls, last)
	}
	return nil
}

func clientStreaming(ctx context.Context, p *Peer) error {
	stream, err := p.test.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	sum := 0
	for _, n := range requestSizes {
		if err := stream.Send(&testpb.StreamingInputCallRequest{Payload: zeros(n)}); err != nil {
			return fmt.Errorf("sending %d bytes: %w", n, err)
		}
		sum += n
	}
	res, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if int(res.AggregatedPayloadSize) != sum {
		return fmt.Errorf("the server counted %d bytes, want %d", res.AggregatedPayloadSize, sum)
	}
	return nil
}

func serverStreaming(ctx context.Context, p *Peer) error {
	req := &testpb.StreamingOutputCallRequest{}
	for _, n := range responseSizes {
		req.ResponseParameters = append(req.ResponseParameters, &testpb.ResponseParameters{Size: n})
	}
	stream, err := p.test.StreamingOutputCall(ctx, req)
	if err != nil {
		return err
	}
	return receiveAll(stream.Recv, responseSizes)
}

func halfDuplex(ctx context.Context, p *Peer) error {
	stream, err := p.test.HalfDuplexCall(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	for i := range requestSizes {
		if err := stream.Send(pingOf(i)); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return receiveAll(stream.Recv, responseSizes)
}

func pingPong(ctx context.Context, p *Peer) error {
	stream, err := p.test.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	for i, n := range responseSizes {
		if err := stream.Send(pingOf(i)); err != nil {
			return err
		}
		res, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := checkPayload(res.Payload, int(n)); err != nil {
			return err
		}
	}
	return endOf(stream)
}

func emptyStream(ctx context.Context, p *Peer) error {
	stream, err := p.test.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	return endOf(stream)
}

func timeoutOnSleepingServer(ctx context.Context, p *Peer) error {
	stream, err := p.test.FullDuplexCall(ctx, naru.WithTimeout(time.Millisecond))
	if err != nil {
		return wantCode(err, codes.DeadlineExceeded)
	}
	defer stream.Close()
	if err := stream.Send(&testpb.StreamingOutputCallRequest{Payload: zeros(27182)}); err != nil && err != io.EOF {
		return err
	}
	_, err = stream.Recv()
	return wantCode(err, codes.DeadlineExceeded)
}

func cancelAfterBegin(ctx context.Context, p *Peer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.test.StreamingInputCall(ctx, naru.WithMetadata("key1", "value1", "key2", "value2"))
	if err != nil {
		return err
	}
	defer stream.Close()
	cancel()
	_, err = stream.CloseAndRecv()
	return wantCode(err, codes.Canceled)
}

func cancelAfterFirstResponse(ctx context.Context, p *Peer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.test.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Send(pingOf(0)); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	cancel()
	_, err = stream.Recv()
	return wantCode(err, codes.Canceled)
}

func unimplementedMethod(ctx context.Context, p *Peer) error {
	_, err := p.test.UnimplementedCall(ctx, &testpb.Empty{})
	return wantCode(err, codes.Unimplemented)
}

func unimplementedService(ctx context.Context, p *Peer) error {
	_, err := testsvc.NewUnimplementedServiceClient(p.cc).UnimplementedCall(ctx, &testpb.Empty{})
	return wantCode(err, codes.Unimplemented)
}

func statusCodeAndMessage(ctx context.Context, p *Peer) error {
	want := &testpb.EchoStatus{Code: 2, Message: "test status message"}
	if err := unaryStatus(ctx, p, want); err != nil {
		return err
	}
	stream, err := p.test.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Send(&testpb.StreamingOutputCallRequest{ResponseStatus: want}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	_, err = stream.Recv()
	return wantStatus(err, want)
}

func specialStatusMessage(ctx context.Context, p *Peer) error {
	return unaryStatus(ctx, p, &testpb.EchoStatus{
		Code:    2,
		Message: "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
	})
}

func unaryStatus(ctx context.Context, p *Peer, want *testpb.EchoStatus) error {
	_, err := p.test.UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: want})
	return wantStatus(err, want)
}

func pickFirstUnary(ctx context.Context, p *Peer) error {
	first := ""
	for i := range 100 {
		res, err := p.test.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: 1, Payload: zeros(1), FillServerId: true})
		if err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
		if i == 0 {
			first = res.ServerId
		}
		if res.ServerId == "" || res.ServerId != first {
			return fmt.Errorf("call %d was answered by server %q, call 0 by %q", i, res.ServerId, first)
		}
	}
	return nil
}

// wantCode returns nil if err has the code, else an error that names both.
func wantCode(err error, want codes.Code) error {
	if got := status.Code(err); got != want {
		return fmt.Errorf("ended with %v (%v), want %v", got, err, want)
	}
	return nil
}

func wantStatus(err error, want *testpb.EchoStatus) error {
	got := status.Convert(err)
	if got.Code() != codes.Code(want.Code) || got.Message() != want.Message {
		return fmt.Errorf("ended with %v %q, want code %d and %q", got.Code(), got.Message(), want.Code, want.Message)
	}
	return nil
}
