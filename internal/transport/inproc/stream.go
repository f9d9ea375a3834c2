package inproc

import (
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

var errOver = &transport.Error{Scope: transport.ScopeStream, Origin: transport.OriginLocal, Token: reason.StreamOver, Reason: "the stream has ended"}

// stream is both ends of one stream.
type stream struct {
	// immutable
	conn *Conn
	id   uint32

	// atomic
	done atomic.Bool // the response has ended, or the stream was reset or lost

	up   half // client to server
	down half // server to client

	// set by Open before anything is delivered
	clientSink transport.ClientSink
}

// clientEnd and serverEnd are the two views: each sends on one half and receives on the other.
type (
	clientEnd struct{ s *stream }
	serverEnd struct{ s *stream }
)

func (s *stream) deliverUp(st step) {
	sink := s.up.sink
	switch {
	case st.closed != nil:
		sink.Closed(st.closed)
	case st.body != nil:
		sink.Data(st.body.B, st.end)
	case st.end:
		sink.Data(nil, true)
	}
}

func (s *stream) deliverDown(st step) {
	sink := s.clientSink
	if st.closed != nil {
		sink.Closed(st.closed)
		return
	}
	last := st.end && len(st.trailers) == 0
	if st.head != nil {
		sink.Head(s.conn.responses.response(st.head), last && st.body == nil)
	}
	if st.body != nil {
		sink.Data(st.body.B, last)
	} else if last && st.head == nil {
		sink.Data(nil, true)
	}
	if st.end && !last {
		s.conn.responses.deliverTrailers(sink, st.trailers)
	}
}

// over claims the end of the stream: true for the one that ends it.
func (s *stream) over() bool { return s.done.CompareAndSwap(false, true) }

// Send implements transport.ClientStream.
func (e clientEnd) Send(body *mem.Buf, end bool) error {
	if !e.s.up.send(step{body: body, end: end}) {
		return errOver
	}
	return nil
}

// Send implements transport.ServerStream.
func (e serverEnd) Send(out *transport.Out) error {
	if err := e.s.conn.responses.checkOut(out); err != nil {
		out.Body.Free()
		return err
	}
	if out.End {
		if !e.s.over() {
			out.Body.Free()
			return errOver
		}
		// The response is complete: what the client might still send is of no use
		// (RFC 9113 §8.1, RST_STREAM with NO_ERROR).
		e.s.up.mute()
		e.s.conn.forget(e.s)
	}
	if !e.s.down.send(step{head: out.Head, body: out.Body, end: out.End, trailers: out.Trailers}) {
		return errOver
	}
	return nil
}

func (s *stream) reset(from transport.Origin, in, out *half, code uint32, token reason.Code) {
	if !s.over() {
		return
	}
	in.mute()
	out.send(step{closed: &transport.Error{
		Scope: transport.ScopeStream, Origin: from, Code: code, Token: token, Reason: "stream reset by the other side: " + string(token),
		Unprocessed: code == codeRefusedStream,
	}})
	s.conn.forget(s)
}

// Reset implements transport.StreamControl.
func (e clientEnd) Reset(code uint32, token reason.Code) {
	e.s.reset(transport.OriginPeer, &e.s.down, &e.s.up, code, token)
}

// Reset implements transport.StreamControl.
func (e serverEnd) Reset(code uint32, token reason.Code) {
	e.s.reset(transport.OriginPeer, &e.s.up, &e.s.down, code, token)
}

// The rest of transport.StreamControl.

func (e clientEnd) ID() uint32                           { return e.s.id }
func (e serverEnd) ID() uint32                           { return e.s.id }
func (e clientEnd) AwaitSend(done <-chan struct{}) error { return e.s.up.await(done) }
func (e serverEnd) AwaitSend(done <-chan struct{}) error { return e.s.down.await(done) }
func (e clientEnd) Consumed(n int)                       { e.s.down.consumed(n) }
func (e serverEnd) Consumed(n int)                       { e.s.up.consumed(n) }
func (e clientEnd) Want(int64, int64)                    {} // bytes are never held back here
func (e serverEnd) Want(int64, int64)                    {}
func (e clientEnd) Release()                             {}
func (e serverEnd) Release()                             {}
func (e clientEnd) Conn() *transport.ConnInfo            { return &e.s.conn.clientInfo }
func (e serverEnd) Conn() *transport.ConnInfo            { return &e.s.conn.serverInfo }
