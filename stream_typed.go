package naru

import (
	"context"
	"io"
	"iter"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/status"
)

var errNilResponse = status.Error(codes.Internal, "the handler returned no message")

// serverStream is all three typed server streams.
type serverStream[Req, Res any] struct{ *server.Call }

func (s *serverStream[Req, Res]) Send(m *Res) error {
	if m == nil {
		return errNilMessage
	}
	return s.SendMsg(m)
}

func (s *serverStream[Req, Res]) SendAndClose(m *Res) error {
	if m == nil {
		return errNilResponse
	}
	return s.Reply(m)
}

func (s *serverStream[Req, Res]) Recv() (*Req, error) { return receive[Req](s) }

func (s *serverStream[Req, Res]) All() iter.Seq2[*Req, error] { return all[Req](s, nil) }

var errNilMessage = status.Error(codes.Internal, "send: the message is nil")

// clientStream is all three typed client streams.
type clientStream[Req, Res any] struct{ ClientStream }

func (s *clientStream[Req, Res]) Send(m *Req) error {
	if m == nil {
		return errNilMessage
	}
	return s.SendMsg(m)
}

func (s *clientStream[Req, Res]) Recv() (*Res, error) { return receive[Res](s) }

func (s *clientStream[Req, Res]) All() iter.Seq2[*Res, error] {
	return all[Res](s, s.ClientStream)
}

func (s *clientStream[Req, Res]) CloseAndRecv() (*Res, error) {
	if err := s.CloseSend(); err != nil {
		return nil, err
	}
	return receive[Res](s)
}

type receiver interface{ RecvMsg(m any) error }

func receive[T any](r receiver) (*T, error) {
	m := new(T)
	if err := r.RecvMsg(m); err != nil {
		return nil, err
	}
	return m, nil
}

// all yields messages until the end. close, if not nil, is closed when the loop is left early.
func all[T any](r receiver, close io.Closer) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for {
			m, err := receive[T](r)
			if err == io.EOF {
				return
			}
			if !yield(m, err) {
				if close != nil {
					_ = close.Close() // always nil
				}
				return
			}
			if err != nil {
				return
			}
		}
	}
}

// NewServerStreamingClient begins a server-streaming call with its request. For generated code.
func NewServerStreamingClient[Res any](ctx context.Context, cc ClientConnInterface, m *MethodInfo, req any, opts ...CallOption) (ServerStreamingClient[Res], error) {
	if c, ok := cc.(*Client); ok {
		s, err := c.newStreamWith(ctx, m, req, opts)
		if err != nil {
			return nil, err
		}
		return &clientStream[struct{}, Res]{s}, nil
	}
	s, err := cc.NewStream(ctx, m, opts...)
	if err != nil {
		return nil, err
	}
	if err := s.SendMsg(req); err != nil && err != io.EOF { // io.EOF: Recv tells why
		_ = s.Close() // always nil
		return nil, err
	}
	if err := s.CloseSend(); err != nil {
		_ = s.Close() // always nil
		return nil, err
	}
	return &clientStream[struct{}, Res]{s}, nil
}

// NewClientStreamingClient begins a client-streaming call. For generated code.
func NewClientStreamingClient[Req, Res any](ctx context.Context, cc ClientConnInterface, m *MethodInfo, opts ...CallOption) (ClientStreamingClient[Req, Res], error) {
	s, err := cc.NewStream(ctx, m, opts...)
	if err != nil {
		return nil, err
	}
	return &clientStream[Req, Res]{s}, nil
}

// NewBidiStreamingClient begins a bidirectional call. For generated code.
func NewBidiStreamingClient[Req, Res any](ctx context.Context, cc ClientConnInterface, m *MethodInfo, opts ...CallOption) (BidiStreamingClient[Req, Res], error) {
	s, err := cc.NewStream(ctx, m, opts...)
	if err != nil {
		return nil, err
	}
	return &clientStream[Req, Res]{s}, nil
}

// Uncompressed marks m to be sent as it is by SendMsg, in a call that otherwise compresses.
func Uncompressed(m any) any { return wire.Uncompressed{Message: m} }
