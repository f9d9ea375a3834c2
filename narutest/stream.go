package narutest

import (
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/proto"
)

// A Stream is the stream of a [Call], to test the handlers of streaming methods as the functions
// they are. It implements naru.ServerStreamingServer[Res], naru.ClientStreamingServer[Req, Res] and
// naru.BidiStreamingServer[Req, Res]. The handler receives the requests it was made with, then
// io.EOF, and never waits. Safe for concurrent use.
type Stream[Req, Res any] struct {
	*Call
	mu       sync.Mutex
	requests []*Req
	sent     []*Res
}

var (
	_ naru.ServerStreamingServer[int]      = (*Stream[int, int])(nil)
	_ naru.ClientStreamingServer[int, int] = (*Stream[int, int])(nil)
	_ naru.BidiStreamingServer[int, int]   = (*Stream[int, int])(nil)
)

// NewStream begins a call whose client sends requests and no more. The call ends with the test.
func NewStream[Req, Res any](t testing.TB, config CallConfig, requests ...*Req) *Stream[Req, Res] {
	t.Helper()
	return &Stream[Req, Res]{Call: NewCall(t, config), requests: requests}
}

// Sent returns what the handler has sent so far.
func (s *Stream[Req, Res]) Sent() []*Res {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// SetHeader implements naru.ServerStream.
func (s *Stream[Req, Res]) SetHeader(md metadata.MD) error { return s.call.SetHeader(md) }

// SendHeader implements naru.ServerStream.
func (s *Stream[Req, Res]) SendHeader(md metadata.MD) error { return s.call.SendHeader(md) }

// SetTrailer implements naru.ServerStream.
func (s *Stream[Req, Res]) SetTrailer(md metadata.MD) error { return s.call.SetTrailer(md) }

// Recv returns the next request, io.EOF after the last, or the context's error once it has ended.
func (s *Stream[Req, Res]) Recv() (*Req, error) {
	if err := s.Context().Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		return nil, io.EOF
	}
	m := s.requests[0]
	s.requests = s.requests[1:]
	return m, nil
}

// All yields the requests that have not been received yet.
func (s *Stream[Req, Res]) All() iter.Seq2[*Req, error] {
	return func(yield func(*Req, error) bool) {
		for {
			m, err := s.Recv()
			if err == io.EOF || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Send keeps a copy of m for [Stream.Sent]. It fails once the context has ended.
func (s *Stream[Req, Res]) Send(m *Res) error {
	if err := s.Context().Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	if !s.HeaderSent() {
		if err := s.call.SendHeader(nil); err != nil { // the header goes out with the first message
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := any(m).(proto.Message); ok {
		s.sent = append(s.sent, proto.Clone(p).(any).(*Res))
		return nil
	}
	c := *m
	s.sent = append(s.sent, &c)
	return nil
}

// SendAndClose is Send.
func (s *Stream[Req, Res]) SendAndClose(m *Res) error { return s.Send(m) }

// SendMsg implements naru.ServerStream. m must be a *Res.
func (s *Stream[Req, Res]) SendMsg(m any) error {
	res, ok := m.(*Res)
	if !ok {
		return fmt.Errorf("narutest: SendMsg: the message is a %T, want a %T", m, res)
	}
	return s.Send(res)
}

// RecvMsg implements naru.ServerStream. m must be a *Req.
func (s *Stream[Req, Res]) RecvMsg(m any) error {
	into, ok := m.(*Req)
	if !ok {
		return fmt.Errorf("narutest: RecvMsg: the message is a %T, want a %T", m, into)
	}
	req, err := s.Recv()
	if err != nil {
		return err
	}
	if p, ok := m.(proto.Message); ok {
		proto.Reset(p)
		proto.Merge(p, any(req).(proto.Message))
		return nil
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(req).Elem())
	return nil
}
