package naru

import (
	"context"
	"io"
	"sync"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// A localStream joins a program that uses a client's stream with an interceptor that handles it
// (Call.HandleStream). It is the program's end; localHandler is the interceptor's.
//
// A message is handed over when the other end takes it, so that nothing is queued. Messages are
// copied by the sender's goroutine.
type localStream struct {
	// immutable
	ctx    context.Context // ends both ends
	cancel context.CancelFunc
	kind   Kind

	requests  chan any      // unbuffered; never closed
	responses chan any      // unbuffered; never closed
	noMore    chan struct{} // closed by CloseSend
	head      chan struct{} // closed when the header is complete
	ended     chan struct{} // closed when the handler has returned

	// guarded by mu
	mu              sync.Mutex
	closed          bool // noMore is closed
	headSent        bool // head is closed
	header, trailer metadata.MD

	err error // of the handler; immutable after ended is closed
}

func newLocalStream(ctx context.Context, kind Kind) *localStream {
	s := &localStream{
		kind:     kind,
		requests: make(chan any), responses: make(chan any),
		noMore: make(chan struct{}), head: make(chan struct{}), ended: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// handleLocally runs f as the server of the program's stream.
func (c *Call) handleLocally(ctx context.Context, f func(ServerStream) error) error {
	if c.stream.ClientStream != nil {
		return status.Error(codes.Internal, "Call.HandleStream: next has begun a stream, which the program already uses")
	}
	s := newLocalStream(ctx, c.method.Kind)
	c.stream.begin(s)
	h := &localHandler{s: s}
	err := f(h)
	if err == nil && !s.kind.ServerStreams() && h.sent == 0 {
		err = status.Error(codes.Internal, "Call.HandleStream: the function returned nil and sent no response")
	}
	s.end(err)
	c.setResponse(s.header, s.trailer)
	return err
}

// end makes err the status of the call.
func (s *localStream) end(err error) {
	s.sendHead()
	s.err = err
	close(s.ended)
	s.cancel()
}

func (s *localStream) sendHead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.headSent {
		return false
	}
	s.headSent = true
	close(s.head)
	return true
}

// answered returns a stream of a call that has its only response already.
func (s *localStream) answered(res any) ClientStream {
	s.end(nil)
	return answeredStream{s, res}
}

type answeredStream struct {
	*localStream
	res any
}

func (s answeredStream) RecvMsg(m any) error { return copyMessage("Call.SetResponse", m, s.res) }

// Context implements ClientStream.
func (s *localStream) Context() context.Context { return s.ctx }

// Header implements ClientStream.
func (s *localStream) Header() (metadata.MD, error) {
	select {
	case <-s.head:
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.headSent { // not decided by the select: the end of the handler ends the context as well
		return nil, status.FromContextError(s.ctx.Err()).Err()
	}
	return s.header.Copy(), nil
}

// Trailer implements ClientStream.
func (s *localStream) Trailer() metadata.MD {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trailer.Copy()
}

// SendMsg implements ClientStream.
func (s *localStream) SendMsg(m any) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return status.Error(codes.Internal, "send: CloseSend was called")
	}
	return s.hand(s.requests, m, io.EOF)
}

// hand passes a copy of m to the other end. over is the error if the handler has returned.
func (s *localStream) hand(to chan any, m any, over error) error {
	m, err := cloneMessage(m)
	if err != nil {
		return err
	}
	select {
	case to <- m:
		return nil
	case <-s.ended:
		return over
	case <-s.ctx.Done():
	}
	select {
	case <-s.ended: // which ends the context as well
		return over
	default:
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// RecvMsg implements ClientStream.
func (s *localStream) RecvMsg(m any) error {
	select {
	case res := <-s.responses:
		if err := copyMessage("Call.HandleStream", m, res); err != nil {
			s.cancel()
			return err
		}
		if s.kind.ServerStreams() {
			return nil
		}
		<-s.ended
		return s.err
	case <-s.ended:
	case <-s.ctx.Done():
	}
	select {
	case <-s.ended:
		if s.err != nil {
			return s.err
		}
		return io.EOF
	default:
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// CloseSend implements ClientStream.
func (s *localStream) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.noMore)
	}
	return nil
}

// Close implements ClientStream.
func (s *localStream) Close() error {
	s.cancel()
	return nil
}

// localHandler is the handler's end of a local stream.
type localHandler struct {
	s    *localStream
	sent int // messages; owned by the handler's sender
}

// Context implements ServerStream.
func (h *localHandler) Context() context.Context { return h.s.ctx }

// SetHeader implements ServerStream.
func (h *localHandler) SetHeader(md metadata.MD) error {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if h.s.headSent {
		return status.Error(codes.Internal, "set header: the header has been sent")
	}
	h.s.header = metadata.Join(h.s.header, md)
	return nil
}

// SendHeader implements ServerStream.
func (h *localHandler) SendHeader(md metadata.MD) error {
	if err := h.SetHeader(md); err != nil {
		return err
	}
	h.s.sendHead()
	return nil
}

// SetTrailer implements ServerStream.
func (h *localHandler) SetTrailer(md metadata.MD) error {
	if err := md.Validate(); err != nil {
		return status.New(codes.Internal, err.Error()).WithCause(err).Err()
	}
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.trailer = metadata.Join(h.s.trailer, md)
	return nil
}

// SendMsg implements ServerStream.
func (h *localHandler) SendMsg(m any) error {
	if h.sent > 0 && !h.s.kind.ServerStreams() {
		return status.Error(codes.Internal, "send: a call that has one response got a second one")
	}
	h.s.sendHead()
	if err := h.s.hand(h.s.responses, m, status.Error(codes.Canceled, "send: the call has ended")); err != nil {
		return err
	}
	h.sent++
	return nil
}

// RecvMsg implements ServerStream.
func (h *localHandler) RecvMsg(m any) error {
	select {
	case req := <-h.s.requests:
		return copyMessage("Call.HandleStream", m, req)
	case <-h.s.noMore:
		return io.EOF
	case <-h.s.ctx.Done():
		return status.FromContextError(h.s.ctx.Err()).Err()
	}
}
