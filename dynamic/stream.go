package dynamic

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Stream is a call of any kind, message by message. One goroutine may send while another receives.
// It holds resources until Recv has returned an error, its context has ended, or Close was called.
type Stream struct {
	client *Client
	method *Method
	stream naru.ClientStream
}

// Stream begins a call of a method of any kind. Errors are those of [Client.Call].
func (c *Client) Stream(ctx context.Context, method string, opts ...naru.CallOption) (*Stream, error) {
	m, err := c.Method(ctx, method)
	if err != nil {
		return nil, err
	}
	s, err := c.cc.NewStream(ctx, &m.info, opts...)
	if err != nil {
		return nil, err
	}
	return &Stream{client: c, method: m, stream: s}, nil
}

// Method returns the method that was called.
func (s *Stream) Method() *Method { return s.method }

// Send sends a message, waiting while the server is slow. A request that does not fit the method is
// an INVALID_ARGUMENT error after which the stream can be used. io.EOF: the call has ended, and
// Recv says how.
func (s *Stream) Send(request any) error {
	req, err := s.client.message(s.stream.Context(), s.method.Descriptor.Input(), request)
	if err != nil {
		return err
	}
	return s.stream.SendMsg(req)
}

// CloseSend says that no more messages follow.
func (s *Stream) CloseSend() error { return s.stream.CloseSend() }

// Recv returns the next message. io.EOF: the call ended with OK; another error is its status.
func (s *Stream) Recv() (*dynamicpb.Message, error) {
	res := dynamicpb.NewMessage(s.method.Descriptor.Output())
	if err := s.stream.RecvMsg(res); err != nil {
		return nil, err
	}
	return res, s.client.resolveExtensions(s.stream.Context(), s.method, res)
}

// All yields every message that is received, then the error if the call did not end with OK.
// Leaving the loop early cancels the call.
func (s *Stream) All() iter.Seq2[*dynamicpb.Message, error] {
	return func(yield func(*dynamicpb.Message, error) bool) {
		defer s.stream.Close()
		for {
			m, err := s.Recv()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Header waits for the response's header.
func (s *Stream) Header() (metadata.MD, error) { return s.stream.Header() }

// Trailer returns the trailer, once Recv has returned an error.
func (s *Stream) Trailer() metadata.MD { return s.stream.Trailer() }

// Close cancels the call if it has not ended, and releases what it holds. Idempotent.
func (s *Stream) Close() error { return s.stream.Close() }
