package naru

import (
	"context"
	"iter"

	"github.com/naru-rpc/naru/metadata"
)

// ServerStream is the untyped server side of a streaming call.
type ServerStream interface {
	Context() context.Context
	SetHeader(metadata.MD) error
	SendHeader(metadata.MD) error
	SetTrailer(metadata.MD)
	SendMsg(m any) error
	RecvMsg(m any) error
}

// ServerStreamingServer is what the handler of a server-streaming method sends on.
type ServerStreamingServer[Res any] interface {
	Send(*Res) error
	ServerStream
}

// ClientStreamingServer is what the handler of a client-streaming method receives from.
type ClientStreamingServer[Req, Res any] interface {
	Recv() (*Req, error) // io.EOF at the end
	All() iter.Seq2[*Req, error]
	SendAndClose(*Res) error
	ServerStream
}

// BidiStreamingServer is what the handler of a bidirectional method works on.
type BidiStreamingServer[Req, Res any] interface {
	Recv() (*Req, error)
	All() iter.Seq2[*Req, error]
	Send(*Res) error
	ServerStream
}

// ClientStream is the untyped client side of a streaming call.
type ClientStream interface {
	Context() context.Context
	Header() (metadata.MD, error)
	Trailer() metadata.MD
	SendMsg(m any) error
	RecvMsg(m any) error
	CloseSend() error
	// Close cancels the call if it has not ended and releases everything it holds. Idempotent.
	Close() error
}

// ServerStreamingClient receives the answers of a server-streaming call.
type ServerStreamingClient[Res any] interface {
	Recv() (*Res, error) // io.EOF at the end
	// All yields every message, then the error if the call failed. Leaving the loop early closes the stream.
	All() iter.Seq2[*Res, error]
	ClientStream
}

// ClientStreamingClient sends the requests of a client-streaming call.
type ClientStreamingClient[Req, Res any] interface {
	Send(*Req) error
	CloseAndRecv() (*Res, error)
	ClientStream
}

// BidiStreamingClient is the client side of a bidirectional call.
type BidiStreamingClient[Req, Res any] interface {
	Send(*Req) error
	Recv() (*Res, error)
	All() iter.Seq2[*Res, error]
	ClientStream
}

// ClientConnInterface is what generated stubs call through. *Client is one.
type ClientConnInterface interface {
	Invoke(ctx context.Context, method *MethodInfo, req, res any, opts ...CallOption) error
	NewStream(ctx context.Context, method *MethodInfo, opts ...CallOption) (ClientStream, error)
}

// NewServerStreamingClient starts a server-streaming call. For generated code.
func NewServerStreamingClient[Res any](ctx context.Context, cc ClientConnInterface, m *MethodInfo, req any, opts ...CallOption) (ServerStreamingClient[Res], error) {
	panic("BUG: skeleton")
}

// NewClientStreamingClient starts a client-streaming call. For generated code.
func NewClientStreamingClient[Req, Res any](ctx context.Context, cc ClientConnInterface, m *MethodInfo, opts ...CallOption) (ClientStreamingClient[Req, Res], error) {
	panic("BUG: skeleton")
}

// NewBidiStreamingClient starts a bidirectional call. For generated code.
func NewBidiStreamingClient[Req, Res any](ctx context.Context, cc ClientConnInterface, m *MethodInfo, opts ...CallOption) (BidiStreamingClient[Req, Res], error) {
	panic("BUG: skeleton")
}
