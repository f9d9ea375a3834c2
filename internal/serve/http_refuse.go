package serve

import (
	"strconv"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// What a request that will be refused may still send before it is.
const (
	refusePatience = 10 * time.Second
	refuseBytes    = 64 << 10
)

// refusal answers a request that is not gRPC where nothing else is served. PROTOCOL-HTTP2.md:
// "If Content-Type does not begin with "application/grpc", gRPC servers SHOULD respond with HTTP
// status of 415 (Unsupported Media Type)."
//
// It answers when the request is over, as a client that is still sending might not look at an
// answer before (and frames that follow are judged on a stream that is open), but does not wait for
// ever.
type refusal struct {
	stream transport.ServerStream
	head   bool // a HEAD request: no body

	// owned by the read loop
	got int

	// guarded by mu
	mu    sync.Mutex
	timer *time.Timer // nil: there is nothing to wait for
	over  bool        // answered, or the stream has ended
}

func refuseOther(stream transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	r := &refusal{stream: stream, head: head.Method == "HEAD"}
	if end {
		r.answer()
		return r
	}
	r.mu.Lock()
	r.timer = time.AfterFunc(refusePatience, r.answer)
	r.mu.Unlock()
	return r
}

// Data implements transport.Sink.
func (r *refusal) Data(p []byte, end bool) {
	if len(p) > 0 {
		r.stream.Consumed(len(p))
	}
	if r.got += len(p); end || r.got > refuseBytes {
		r.answer()
	}
}

// Trailers implements transport.Sink.
func (r *refusal) Trailers([]transport.Field) { r.answer() }

// Closed implements transport.Sink.
func (r *refusal) Closed(*transport.Error) { r.end() }

// end claims the end: true for the first.
func (r *refusal) end() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.over = true
	if r.timer != nil {
		r.timer.Stop()
	}
	return true
}

func (r *refusal) answer() {
	if !r.end() {
		return
	}
	const text = notGRPC
	out := &transport.Out{End: true, Head: &transport.ResponseHead{Status: 415, Fields: []transport.Field{
		{Name: "content-type", Value: "text/plain; charset=utf-8"},
		{Name: "content-length", Value: strconv.Itoa(len(text))},
	}}}
	if !r.head {
		out.Body = mem.Get(len(text))
		out.Body.B = append(out.Body.B, text...)
	}
	sendOrReset(r.stream, out)
}
