package conformance

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	pb "github.com/naru-rpc/naru/test/internal/conformancepb"
	"google.golang.org/protobuf/proto"
)

// A call is one call of the suite while it is made. Only its own goroutine uses it, except for
// cancel.
type call struct {
	ctx    context.Context
	cancel context.CancelFunc
	client pb.ConformanceServiceClient
	req    *pb.ClientCompatRequest
	opts   []naru.CallOption
	when   cancelTiming
	due    time.Time // when the call is to be cancelled; zero: not at a time
	result *pb.ClientResponseResult
}

// cancelTiming says when the suite wants a call cancelled. Negative numbers: not then.
type cancelTiming struct {
	beforeCloseSend  bool
	afterCloseSend   time.Duration
	afterNumReceived int
}

func newCall(ctx context.Context, client pb.ConformanceServiceClient, req *pb.ClientCompatRequest) (*call, error) {
	c := &call{client: client, req: req, result: &pb.ClientResponseResult{}}
	c.when = cancelTiming{afterCloseSend: -1, afterNumReceived: -1}
	if req.Cancel != nil {
		switch t := req.Cancel.CancelTiming.(type) {
		case *pb.ClientCompatRequest_Cancel_BeforeCloseSend:
			c.when.beforeCloseSend = true
		case *pb.ClientCompatRequest_Cancel_AfterCloseSendMs:
			c.when.afterCloseSend = time.Duration(t.AfterCloseSendMs) * time.Millisecond
		case *pb.ClientCompatRequest_Cancel_AfterNumResponses:
			c.when.afterNumReceived = int(t.AfterNumResponses)
		case nil:
			c.when.afterCloseSend = 0 // "cancel" without a time is: at once after the last request
		}
	}
	var kv []string
	for key, values := range metadataOf(req.RequestHeaders) {
		for _, v := range values {
			kv = append(kv, key, v)
		}
	}
	c.opts = append(c.opts, naru.WithMetadata(kv...))
	switch req.Codec {
	case pb.Codec_CODEC_PROTO:
	case pb.Codec_CODEC_JSON:
		c.opts = append(c.opts, naru.WithCodec("json"))
	default:
		return nil, fmt.Errorf("codec %v is not one of this client's", req.Codec)
	}
	switch req.Compression {
	case pb.Compression_COMPRESSION_UNSPECIFIED, pb.Compression_COMPRESSION_IDENTITY:
	case pb.Compression_COMPRESSION_GZIP, pb.Compression_COMPRESSION_ZSTD, pb.Compression_COMPRESSION_BR,
		pb.Compression_COMPRESSION_DEFLATE, pb.Compression_COMPRESSION_SNAPPY:
		name := strings.ToLower(strings.TrimPrefix(req.Compression.String(), "COMPRESSION_"))
		c.opts = append(c.opts, naru.WithCompression(name))
	default:
		return nil, fmt.Errorf("compression %v is not one of this client's", req.Compression)
	}
	if req.TimeoutMs != nil {
		c.opts = append(c.opts, naru.WithTimeout(time.Duration(*req.TimeoutMs)*time.Millisecond))
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c, nil
}

// run makes the call. Its error means that the call could not be made, or not as asked for.
func (c *call) run() error {
	switch method := c.req.GetMethod(); method {
	case "Unary":
		return unary(c, c.client.Unary, (*pb.UnaryResponse).GetPayload)
	case "IdempotentUnary":
		return unary(c, c.client.IdempotentUnary, (*pb.IdempotentUnaryResponse).GetPayload)
	case "Unimplemented":
		return unary(c, c.client.Unimplemented, func(*pb.UnimplementedResponse) *pb.ConformancePayload { return nil })
	case "ClientStream":
		return c.clientStream()
	case "ServerStream":
		return c.serverStream()
	case "BidiStream":
		return c.bidiStream()
	default:
		return fmt.Errorf("no method %q in %s", method, c.req.GetService())
	}
}

// message is a pointer to a generated message type.
type message[T any] interface {
	*T
	proto.Message
}

// request unpacks the i-th request of a call.
func request[T any, M message[T]](c *call, i int) (*T, error) {
	req := new(T)
	return req, c.req.RequestMessages[i].UnmarshalTo(M(req))
}

// unary makes a call of a unary method.
func unary[Req, Res any, M message[Req]](c *call, stub func(context.Context, *Req, ...naru.CallOption) (*Res, error), payload func(*Res) *pb.ConformancePayload) error {
	if n := len(c.req.RequestMessages); n != 1 {
		return fmt.Errorf("a unary call with %d requests", n)
	}
	req, err := request[Req, M](c, 0)
	if err != nil {
		return err
	}
	var header, trailer metadata.MD
	stop := c.cancelLater()
	defer stop()
	res, err := stub(c.ctx, req, append(c.opts, naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))...)
	if err != nil {
		c.result.Error = protoError(err)
	} else {
		c.received(payload(res))
	}
	c.result.ResponseHeaders, c.result.ResponseTrailers = headersOf(header), headersOf(trailer)
	return nil
}

func (c *call) clientStream() error {
	stream, err := c.client.ClientStream(c.ctx, c.opts...)
	if err != nil {
		c.result.Error = protoError(err)
		return nil
	}
	defer stream.Close()
	for i := range c.req.RequestMessages {
		req, err := request[pb.ClientStreamRequest](c, i)
		if err != nil {
			return err
		}
		if !c.send(i, func() error { return stream.Send(req) }) {
			break
		}
	}
	if c.when.beforeCloseSend {
		c.cancel()
	}
	stop := c.cancelLater()
	defer stop()
	res, err := stream.CloseAndRecv()
	if err != nil {
		c.result.Error = protoError(err)
	} else {
		c.received(res.Payload)
	}
	c.ended(stream)
	return nil
}

func (c *call) serverStream() error {
	if n := len(c.req.RequestMessages); n != 1 {
		return fmt.Errorf("a server-streaming call with %d requests", n)
	}
	req, err := request[pb.ServerStreamRequest](c, 0)
	if err != nil {
		return err
	}
	stream, err := c.client.ServerStream(c.ctx, req, c.opts...)
	if err != nil {
		c.result.Error = protoError(err)
		return nil
	}
	defer stream.Close()
	stop := c.cancelLater()
	defer stop()
	for {
		c.cancelIfDue()
		res, err := stream.Recv()
		if !c.receivedOne(res.GetPayload(), err) {
			break
		}
	}
	c.ended(stream)
	return nil
}

func (c *call) bidiStream() error {
	stream, err := c.client.BidiStream(c.ctx, c.opts...)
	if err != nil {
		c.result.Error = protoError(err)
		return nil
	}
	defer stream.Close()
	fullDuplex := c.req.StreamType == pb.StreamType_STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM
	receiving := true
	for i := range c.req.RequestMessages {
		req, err := request[pb.BidiStreamRequest](c, i)
		if err != nil {
			return err
		}
		if !c.send(i, func() error { return stream.Send(req) }) {
			break
		}
		if !fullDuplex {
			continue
		}
		res, err := stream.Recv()
		if receiving = c.receivedOne(res.GetPayload(), err); !receiving {
			c.result.NumUnsentRequests = int32(len(c.req.RequestMessages) - i - 1)
			break
		}
	}
	if c.when.beforeCloseSend {
		c.cancel()
	}
	stream.CloseSend() // if it fails the call is over, and Recv says why
	stop := c.cancelLater()
	defer stop()
	for receiving {
		c.cancelIfDue()
		res, err := stream.Recv()
		receiving = c.receivedOne(res.GetPayload(), err)
	}
	c.ended(stream)
	return nil
}

// cancelLater arranges for the call to be cancelled some time after its last request, if it is to
// be.
func (c *call) cancelLater() (stop func() bool) {
	switch d := c.when.afterCloseSend; {
	case d < 0:
		return func() bool { return false }
	default:
		c.due = time.Now().Add(d)
		return time.AfterFunc(d, c.cancel).Stop
	}
}

// cancelIfDue cancels a call whose time has come. On a busy machine the timer that does so may be
// late by the 200 ms that the suite lets pass before the response it must not see.
func (c *call) cancelIfDue() {
	if !c.due.IsZero() && !time.Now().Before(c.due) {
		c.cancel()
	}
}

// send waits as long as the suite wants before each request, then sends the i-th. It reports
// whether the next one can be sent; if not, receiving tells why.
func (c *call) send(i int, send func() error) bool {
	if c.req.RequestDelayMs > 0 {
		// Not cut short by the call's end: the suite wants the clock to run on.
		<-time.After(time.Duration(c.req.RequestDelayMs) * time.Millisecond)
	}
	if send() != nil {
		c.result.NumUnsentRequests = int32(len(c.req.RequestMessages) - i)
		return false
	}
	return true
}

// receivedOne notes what a Recv returned and reports whether there can be more.
func (c *call) receivedOne(payload *pb.ConformancePayload, err error) bool {
	if err == io.EOF {
		return false
	}
	if err != nil {
		c.result.Error = protoError(err)
		return false
	}
	c.received(payload)
	return true
}

func (c *call) received(payload *pb.ConformancePayload) {
	if payload == nil {
		payload = &pb.ConformancePayload{} // an empty answer is an answer
	}
	c.result.Payloads = append(c.result.Payloads, payload)
	if len(c.result.Payloads) == c.when.afterNumReceived {
		c.cancel()
	}
}

// ended notes the headers and trailers of a stream that is over.
func (c *call) ended(stream naru.ClientStream) {
	if header, err := stream.Header(); err == nil {
		c.result.ResponseHeaders = headersOf(header)
	}
	c.result.ResponseTrailers = headersOf(stream.Trailer())
}
