package serve

import (
	"strconv"

	"github.com/naru-rpc/naru/internal/call"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// refuseOther answers a request that is not gRPC where nothing else is served. PROTOCOL-HTTP2.md:
// "If Content-Type does not begin with "application/grpc", gRPC servers SHOULD respond with HTTP
// status of 415 (Unsupported Media Type)."
func refuseOther(stream transport.ServerStream, head *transport.RequestHead) transport.Sink {
	const text = "this server speaks gRPC: content-type must be application/grpc\n"
	h := &transport.ResponseHead{Status: 415, Fields: []transport.Field{
		{Name: "content-type", Value: "text/plain; charset=utf-8"},
		{Name: "content-length", Value: strconv.Itoa(len(text))},
	}}
	if head.Method == "HEAD" {
		_ = stream.Send(&transport.Out{Head: h, End: true}) // nobody is there to be told
		return call.Discard{Stream: stream}
	}
	body := mem.Get(len(text))
	body.B = append(body.B, text...)
	_ = stream.Send(&transport.Out{Head: h, Body: body, End: true}) // as above
	return call.Discard{Stream: stream}
}
