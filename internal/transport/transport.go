// Package transport declares what the RPC layer needs of a transport, and nothing of how
// one works. transport/http2, transport/inproc and transport/nethttp implement it.
//
// Data goes down by method calls on a stream and comes up by method calls on a sink. The methods of
// a sink are called one at a time: by http2 on the connection's read loop, by inproc on the
// goroutine that sends. They must not block, and must not keep what they are lent (heads, fields,
// bytes) after they return; strings are immutable and may be kept. No lock that a method of the
// stream takes is held during the calls, so that a sink may use its own stream. Once the peer's
// half has ended on a client's stream (Head, Data or Trailers with the end, or Closed), its sink is
// never called again; if the program's half was still open then, the transport resets the stream.
// Sink calls may come before Open returned.
package transport

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/stats"
)

// Field is one header field.
type Field = hpack.Field

// RequestHead is a request's header section, already checked against RFC 9113 §8.2 and §8.3.
type RequestHead struct {
	Method, Scheme, Authority, Path string
	// Fields are the regular fields in order of arrival. The slice is lent.
	Fields []Field
	// Oversize is not nil when the header list exceeded the soft limit: Fields are what
	// fitted, and the call is to be refused with the reason given.
	Oversize *Error
}

// ResponseHead is a response's header section.
type ResponseHead struct {
	Status int // HTTP status, 200 for gRPC
	Fields []Field
	// Oversize as in RequestHead.
	Oversize *Error
}

// Out is a step of a response, put on the wire in one critical section: the parts that are
// set, in the order Head, Body, end of stream.
type Out struct {
	Head *ResponseHead // nil: no header section in this step. Lent until return.
	// Body holds DATA bytes (for gRPC: whole length-prefixed messages). nil: none. Ownership
	// passes to the transport with the call, whatever the call returns.
	Body *mem.Buf
	// End ends the stream: with Trailers if there are any, else with END_STREAM on the last frame.
	End      bool
	Trailers []Field // Lent until return.
	// Deadline, with End, is the call's: what still waits for the peer's window then is dropped.
	// Zero: none.
	Deadline time.Time
}

// HeadSection is the section that Head is.
func (o *Out) HeadSection() Section {
	if o.End && o.Body == nil && len(o.Trailers) == 0 {
		return SectionTrailer
	}
	return SectionResponseHeader
}

// ServerStream is the sending half of a stream a client opened. Safe for concurrent use.
type ServerStream interface {
	// Send queues out and returns at once. What flow control does not let through yet waits in
	// the stream, in order. It fails with a *HeaderListError if the peer does not accept a header
	// section of out: then nothing of out was sent, and the stream remains open until something
	// smaller, or Reset, ends it. Any other error means that the stream is over.
	Send(out *Out) error
	StreamControl
}

// ClientStream is the sending half of a stream this side opened. Safe for concurrent use.
type ClientStream interface {
	// Send queues body (nil: none; ownership passes) and, if end is set, half-closes. It fails
	// only if the stream is over, which the sink has been told or its owner has brought about.
	Send(body *mem.Buf, end bool) error
	StreamControl
}

// StreamControl is common to both ends.
type StreamControl interface {
	ID() uint32
	// AwaitSend blocks while more than a low-water mark of queued bytes waits for flow
	// control or the socket, until done is closed (nil: never) or the stream is over. It
	// returns nil when the stream can take more, ErrAwaitDone when done won.
	AwaitSend(done <-chan struct{}) error
	// Consumed returns receive credit: n bytes handed to Sink.Data are no longer held.
	// Every byte must be returned once, also after the stream ended.
	Consumed(n int)
	// Want notes that a message is accepted, so that the peer is given a stream window large enough
	// for it. The message lies from offset begin to end of all bytes that the stream's Sink is
	// given. Data may be called meanwhile, with a part of it or the rest.
	Want(begin, end int64)
	// Reset ends the stream with an HTTP/2 error code and stops its sink being called;
	// a call already on its way may still arrive. No-op on a finished stream.
	Reset(code uint32, token reason.Code)
	// Release promises that the caller will not use the stream again, and that its Sink has been
	// told of the end of the peer's half. The stream may then be used for another call.
	Release()
	Conn() *ConnInfo
}

// Sink receives what follows the head on a stream.
type Sink interface {
	// Data brings body bytes, lent until return. end: the peer sends nothing more.
	Data(p []byte, end bool)
	// Trailers brings the trailer section; it implies the end of the peer's half.
	Trailers(fields []Field)
	// Closed says that the stream was ended by the peer, or its connection lost, while
	// either half was still open. Called at most once, and nothing after it.
	Closed(err *Error)
}

// Served is implemented by sinks of a server that know whether a handler has begun. A client that
// resets a call before is charged for it.
type Served interface {
	// Served reports whether a handler has begun with the call.
	Served() bool
}

// Refuser is implemented by server streams of connections that charge their peers for calls that
// are refused without a look at their messages.
type Refuser interface {
	// Refused charges one such call, with a weight of 1 for most. Only from within
	// ServerHandler.Stream.
	Refused(weight int)
}

// A Shedder is a server's Sink that can end its call with a status when the server holds too many
// bytes.
type Shedder interface {
	// Shed asks the sink to end its call with err. The sink drops what it holds and what still
	// arrives, and reports both as Consumed. It is called like the methods of Sink, before the
	// program's half has ended.
	Shed(err *Error)
}

// ClientSink is a Sink that first receives the response head. For a trailers-only response
// end is set. Interim (1xx) heads are not passed on.
type ClientSink interface {
	Sink
	Head(h *ResponseHead, end bool)
}

// An OversizeSink is a Sink with a method that is called instead of Trailers for a trailer section
// that exceeded the soft limit. fields are those within it.
type OversizeSink interface {
	TrailersOver(fields []Field, err *Error)
}

// ServerHandler receives the streams a peer opens.
type ServerHandler interface {
	// Stream is called on the read loop when a request head is complete. The returned sink
	// is not nil. end: no body follows (Sink.Data is not called then).
	Stream(s ServerStream, head *RequestHead, end bool) Sink
}

// A ConnDoner is a ServerHandler that is told of the end of its connection.
type ConnDoner interface {
	// ConnDone is called once, when everything else has ended. It must not block.
	ConnDone()
}

// A Backlogger is a ServerHandler that begins no calls of a connection while its peer does not read
// the responses to earlier ones.
type Backlogger interface {
	// Backlog reports whether finished responses pile up. It is called under a lock of the
	// transport, and must neither block nor use a stream.
	Backlog(full bool)
}

var connIDs atomic.Uint64

// NextConnID returns the ID of a new connection.
func NextConnID() uint64 { return connIDs.Add(1) }

// ConnInfo is what is known of a connection. Immutable.
type ConnInfo struct {
	ID            uint64 // process-wide, for logs and channelz
	Local, Remote net.Addr
	TLS           *tls.ConnectionState // nil: plaintext
	// Draining is closed when the connection will take no new streams, so that long-lived
	// streams can end themselves.
	Draining <-chan struct{}

	told atomic.Pointer[stats.Conn] // made by the first Stats
}

// Stats returns what stats handlers are told of the connection, the same for all of its calls; nil
// for nil. Safe for concurrent use.
func (i *ConnInfo) Stats() *stats.Conn {
	if i == nil {
		return nil
	}
	if c := i.told.Load(); c != nil {
		return c
	}
	i.told.CompareAndSwap(nil, &stats.Conn{ID: i.ID, Local: i.Local, Remote: i.Remote, TLS: i.TLS})
	return i.told.Load()
}

// Peer is the remote address as text, "" if there is none.
func (i *ConnInfo) Peer() string {
	if i == nil || i.Remote == nil {
		return ""
	}
	return i.Remote.String()
}

// ClientConn is a connection a channel can open streams on. Safe for concurrent use.
type ClientConn interface {
	// Open starts a stream: head, then body if not nil (ownership passes in any case), then a
	// half-close if end is set. It never blocks. ErrStreamLimit: the peer's limit of concurrent
	// streams is reached, see AwaitSlot. Any other error is an *Error, and nothing of the call
	// reached the peer: with ScopeConn the connection takes no streams, and another one may; with
	// ScopeStream the peer's limits do not allow this head, and trying again is of no use.
	Open(head *RequestHead, body *mem.Buf, end bool, sink ClientSink) (ClientStream, error)
	// AwaitSlot blocks until Open may succeed, done is closed (ErrAwaitDone) or the
	// connection takes no more streams (*Error).
	AwaitSlot(done <-chan struct{}) error
	// Load returns the streams open now and the most the peer allows (math.MaxUint32: no limit).
	Load() (open, limit uint32)
	Info() *ConnInfo
	// Info().Draining is closed as soon as no new stream can be opened (GOAWAY, id
	// exhaustion, Drain, failure). Done is closed when the connection is gone; Err then
	// tells why.
	Done() <-chan struct{}
	Err() *Error
	// Drain opens no new streams and closes when the last one ended.
	Drain(reason string)
	// Close ends every stream with err (nil: "connection closed by this side").
	Close(err *Error)
}
