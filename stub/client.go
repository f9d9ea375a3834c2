package stub

import (
	"context"
	"io"
	"iter"

	"github.com/naru-rpc/naru"
)

// clientStream is all three typed client streams.
type clientStream[Req, Res any] struct{ naru.ClientStream }

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

// NewServerStreamingClient begins a server-streaming call with its request. The error is a status
// error.
func NewServerStreamingClient[Res any](ctx context.Context, cc naru.ClientConnInterface, m *naru.MethodInfo, req any, opts ...naru.CallOption) (naru.ServerStreamingClient[Res], error) {
	if c, ok := cc.(*naru.Client); ok {
		s, err := c.NewStreamWith(ctx, m, req, opts...)
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

// NewClientStreamingClient begins a client-streaming call. The error is a status error.
func NewClientStreamingClient[Req, Res any](ctx context.Context, cc naru.ClientConnInterface, m *naru.MethodInfo, opts ...naru.CallOption) (naru.ClientStreamingClient[Req, Res], error) {
	s, err := cc.NewStream(ctx, m, opts...)
	if err != nil {
		return nil, err
	}
	return &clientStream[Req, Res]{s}, nil
}

// NewBidiStreamingClient begins a bidirectional call. The error is a status error.
func NewBidiStreamingClient[Req, Res any](ctx context.Context, cc naru.ClientConnInterface, m *naru.MethodInfo, opts ...naru.CallOption) (naru.BidiStreamingClient[Req, Res], error) {
	s, err := cc.NewStream(ctx, m, opts...)
	if err != nil {
		return nil, err
	}
	return &clientStream[Req, Res]{s}, nil
}
