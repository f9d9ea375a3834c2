package webcall

import (
	"sync"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/transport"
)

// An exchange stands between the stream of a request and its call: it is the call's stream, and the
// stream's sink. Sink methods are called one at a time; those of the stream by anyone.
type exchange struct {
	transport.ServerStream // the client's

	// immutable after begin
	sink transport.Sink // the call's
	in   input
	out  output
	// malformed is the code of messages that cannot be decoded; 0: that of gRPC.
	malformed codes.Code

	// guarded by mu
	mu       sync.Mutex
	got      int64 // bytes of the request that have come
	given    int64 // bytes of gRPC that were made of them
	consumed int64 // of given
	credited int64 // of got, given back to the stream
	ended    bool  // the response is complete: what comes is dropped
}

// An input makes bytes of gRPC of a request's.
type input interface {
	// data hands on what p is for the call, with give.
	data(x *exchange, p []byte, end bool)
	// offset is where in the request's body the byte at an offset of the call's is.
	offset(n int64) int64
	// drop frees what is kept of the body, and nothing is kept any more. Any goroutine may call it.
	drop()
}

// An output sends a step of a call's response. It is called one at a time.
type output interface {
	send(s transport.ServerStream, out *transport.Out) error
}

var (
	_ transport.ServerStream = (*exchange)(nil)
	_ transport.Sink         = (*exchange)(nil)
	_ transport.Served       = (*exchange)(nil)
	_ transport.Shedder      = (*exchange)(nil)
	_ transport.Refuser      = (*exchange)(nil)
	_ server.MalformedCoder  = (*exchange)(nil)
)

// begin hands the call on.
func (x *exchange) begin(head *transport.RequestHead, end bool, calls transport.ServerHandler) transport.Sink {
	head.Method = "POST"
	x.sink = calls.Stream(x, head, false)
	if end {
		x.Data(nil, true)
	}
	return x
}

// give hands bytes to the call.
func (x *exchange) give(p []byte, end bool) {
	x.mu.Lock()
	x.given += int64(len(p))
	x.mu.Unlock()
	x.sink.Data(p, end)
}

// Data implements transport.Sink.
func (x *exchange) Data(p []byte, end bool) {
	x.mu.Lock()
	x.got += int64(len(p))
	if x.ended {
		n := x.restLocked()
		x.mu.Unlock()
		x.credit(n)
		return
	}
	x.mu.Unlock()
	x.in.data(x, p, end)
}

// Trailers implements transport.Sink.
func (x *exchange) Trailers([]transport.Field) { x.Data(nil, true) }

// Closed implements transport.Sink.
func (x *exchange) Closed(err *transport.Error) {
	x.sink.Closed(err)
	x.finish()
}

// finish gives back what the call was not given. What is kept of the body goes first: it is not
// counted any more.
func (x *exchange) finish() {
	x.in.drop()
	x.mu.Lock()
	x.ended = true
	n := x.restLocked()
	x.mu.Unlock()
	x.credit(n)
}

func (x *exchange) restLocked() int64 {
	n := x.got - x.credited
	x.credited = x.got
	return n
}

func (x *exchange) credit(n int64) {
	if n > 0 {
		x.ServerStream.Consumed(int(n))
	}
}

// Consumed implements transport.StreamControl: as large a part of what came is given back as of
// what was made of it.
func (x *exchange) Consumed(n int) {
	x.mu.Lock()
	x.consumed += int64(n)
	var back int64
	if !x.ended && x.given > 0 {
		if share := int64(float64(x.got) * (float64(x.consumed) / float64(x.given))); x.consumed == x.given {
			back = x.restLocked()
		} else if back = min(share, x.got) - x.credited; back > 0 {
			x.credited += back
		}
	}
	x.mu.Unlock()
	x.credit(back)
}

// Want implements transport.StreamControl.
func (x *exchange) Want(begin, end int64) {
	x.ServerStream.Want(x.in.offset(begin), x.in.offset(end))
}

// Send implements transport.ServerStream.
func (x *exchange) Send(out *transport.Out) error {
	end := out.End
	err := x.out.send(x.ServerStream, out)
	if err == nil && end {
		x.finish()
	}
	return err
}

// MalformedCode implements server.MalformedCoder.
func (x *exchange) MalformedCode() codes.Code { return x.malformed }

// Served implements transport.Served.
func (x *exchange) Served() bool {
	s, ok := x.sink.(transport.Served)
	return ok && s.Served()
}

// Shed implements transport.Shedder.
func (x *exchange) Shed(err *transport.Error) {
	if s, ok := x.sink.(transport.Shedder); ok {
		s.Shed(err)
	}
}

// Refused implements transport.Refuser.
func (x *exchange) Refused(weight int) {
	if r, ok := x.ServerStream.(transport.Refuser); ok {
		r.Refused(weight)
	}
}

// Release implements transport.StreamControl. The stream is not used again: x may still be called.
func (x *exchange) Release() {}
