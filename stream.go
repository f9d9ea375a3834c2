package naru

import (
	"context"
	"iter"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/metadata"
)

// ServerStream is the untyped server side of a streaming call. One goroutine may send while another
// receives, but not two at the same; all of it ends when the handler returns.
type ServerStream interface {
	// Context is the handler's context.
	Context() context.Context
	// SetHeader adds to the header, which goes out with the first message, with SendHeader, or at
	// the end. It fails when that has happened, and for metadata that may not be sent.
	SetHeader(metadata.MD) error
	// SendHeader adds to the header and sends it now.
	SendHeader(metadata.MD) error
	// SetTrailer adds to the trailer, which is sent with the status. It fails for metadata that may
	// not be sent, which is then left out, and when the call has ended.
	SetTrailer(metadata.MD) error
	// SendMsg sends a message, waiting while the client is slow. m can be changed afterwards.
	SendMsg(m any) error
	// RecvMsg receives a message into m. io.EOF: the client sends no more.
	RecvMsg(m any) error
}

// ServerStreamingServer is what the handler of a server-streaming method sends on.
type ServerStreamingServer[Res any] interface {
	// Send sends a message, waiting while the client is slow.
	Send(*Res) error
	ServerStream
}

// ClientStreamingServer is what the handler of a client-streaming method receives from.
type ClientStreamingServer[Req, Res any] interface {
	// Recv returns the next message, which is the caller's to keep; io.EOF at the end.
	Recv() (*Req, error)
	// All yields every message, then the error if the call broke off.
	All() iter.Seq2[*Req, error]
	// SendAndClose gives the response. The handler returns nil after it.
	SendAndClose(*Res) error
	ServerStream
}

// BidiStreamingServer is what the handler of a bidirectional method works on.
type BidiStreamingServer[Req, Res any] interface {
	// Recv returns the next message, which is the caller's to keep; io.EOF at the end.
	Recv() (*Req, error)
	// All yields every message, then the error if the call broke off.
	All() iter.Seq2[*Req, error]
	// Send sends a message, waiting while the client is slow.
	Send(*Res) error
	ServerStream
}

// ClientStream is the untyped client side of a streaming call. One goroutine may send while another
// receives, but not two at the same. It holds resources until RecvMsg has returned an error
// (or the one response of a call that has one), its context has ended, or Close was called.
type ClientStream interface {
	// Context is the context the call was made with.
	Context() context.Context
	// Header waits for the response's header.
	Header() (metadata.MD, error)
	// Trailer returns the trailer, once RecvMsg has returned an error or the only response.
	Trailer() metadata.MD
	// SendMsg sends a message, waiting while the server is slow. m can be changed afterwards.
	// io.EOF: the call has ended, RecvMsg tells how.
	SendMsg(m any) error
	// RecvMsg receives a message into m. io.EOF: the call ended with OK; another error is its
	// status.
	RecvMsg(m any) error
	// CloseSend says that no more messages follow.
	CloseSend() error
	// Close cancels the call if it has not ended and releases everything it holds. Idempotent.
	Close() error
}

// ServerStreamingClient receives the answers of a server-streaming call.
type ServerStreamingClient[Res any] interface {
	// Recv returns the next message, which is the caller's to keep; io.EOF at the end.
	Recv() (*Res, error)
	// All yields every message, then the error if the call failed. Leaving the loop early closes
	// the stream.
	All() iter.Seq2[*Res, error]
	ClientStream
}

// ClientStreamingClient sends the requests of a client-streaming call.
type ClientStreamingClient[Req, Res any] interface {
	// Send sends a message, waiting while the server is slow. io.EOF: CloseAndRecv tells why.
	Send(*Req) error
	// CloseAndRecv says that no more follows and returns the response.
	CloseAndRecv() (*Res, error)
	ClientStream
}

// BidiStreamingClient is the client side of a bidirectional call.
type BidiStreamingClient[Req, Res any] interface {
	// Send sends a message, waiting while the server is slow. io.EOF: Recv tells why.
	Send(*Req) error
	// Recv returns the next message, which is the caller's to keep; io.EOF at the end.
	Recv() (*Res, error)
	// All yields every message, then the error if the call failed. Leaving the loop early closes
	// the stream.
	All() iter.Seq2[*Res, error]
	ClientStream
}

// ClientConnInterface is what generated stubs call through. *Client is one.
type ClientConnInterface interface {
	// Invoke makes a unary call: sends req, receives into res.
	Invoke(ctx context.Context, method *MethodInfo, req, res any, opts ...CallOption) error
	// NewStream begins a call of another kind.
	NewStream(ctx context.Context, method *MethodInfo, opts ...CallOption) (ClientStream, error)
}

// Uncompressed marks m to be sent as it is by SendMsg, in a call that otherwise compresses.
func Uncompressed(m any) any { return wire.Uncompressed{Message: m} }
