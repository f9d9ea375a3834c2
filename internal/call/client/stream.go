package client

import (
	"context"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// A Stream is the client's side of a call that streams. One goroutine may send while another
// receives; Close may be called by any, at any time. Its attempts are the runner's.
//
// Locks: sendMu before mu before attempt.mu.
type Stream struct {
	runner
}

// NewStream begins a call that streams. set is copied. ctx ends the stream when it ends.
func NewStream(ctx context.Context, env *Env, m Method, set *Settings) (*Stream, error) {
	return newStream(ctx, env, m, set, nil)
}

// NewStreamWith begins a call with its only request, which goes out in one piece.
func NewStreamWith(ctx context.Context, env *Env, m Method, set *Settings, req any) (*Stream, error) {
	return newStream(ctx, env, m, set, req)
}

func newStream(ctx context.Context, env *Env, m Method, set *Settings, req any) (*Stream, error) {
	s := &Stream{}
	s.changed.L = &s.mu
	s.env, s.method, s.set, s.ctx = env, m, *set, ctx
	s.observeBegin()
	if err := s.start(req); err != nil {
		env.Counters.failed(err, s.last, !s.deadline.IsZero())
		s.observeEnd(s.last, err)
		return nil, err
	}
	s.watch()
	return s, nil
}

// start begins the first attempt, or what will. req: the only message, nil: none yet.
func (s *Stream) start(req any) error {
	if err := s.prepare(); err != nil {
		return err
	}
	s.hedging = s.hedgingPolicy()
	var first *mem.Buf
	if req != nil {
		var err error
		if first, err = s.out.Encode(req); err != nil {
			return err
		}
		s.halfClosed = true
		if s.hedging != nil {
			s.replay = append(s.replay, first) // of any size: it is the only one
		} else {
			s.keepLocked(first)
		}
	}
	s.ctx, s.stop = s.boundContext()
	var err error
	if s.hedging != nil {
		s.beginHedging()
	} else {
		err = s.launchFirst(first, req)
	}
	if err != nil {
		s.stop()
		s.dropReplay()
	}
	return err
}

// checkContext ends the stream if its context has ended and watch's goroutine has not come to it
// yet: what the caller does after it cancelled must not be sent, and must not succeed.
func (s *Stream) checkContext() (ended bool) {
	if s.ctx.Err() == nil {
		return false
	}
	s.end(s.contextEnded(), true)
	return true
}

// current returns the attempt, or that the call is over.
func (s *Stream) current() (a *attempt, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chosen, s.over
}

// Close cancels the call unless it has ended. It always returns nil.
func (s *Stream) Close() error {
	s.end(status.New(codes.Canceled, "the stream was closed by the caller").WithCause(context.Canceled).Err(), true)
	return nil
}

// Ended is closed when the call is over.
func (s *Stream) Ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = make(chan struct{})
		if s.over {
			close(s.ended)
		}
	}
	return s.ended
}

// Err is the status error of a call that is over, nil for OK.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.final
}

// ResponseHeader is the header of a call that is over, as far as it came.
func (s *Stream) ResponseHeader() metadata.MD {
	a, _ := s.current()
	if a == nil {
		return metadata.MD{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.headerMD()
}

// Context returns the context the call was made with, and its deadline.
func (s *Stream) Context() context.Context { return s.ctx }

// Header waits for the response's header. If the call fails without one, the error is the call's. A
// trailers-only response has an empty header; the status comes with RecvMsg.
func (s *Stream) Header() (metadata.MD, error) {
	// A call that has ended with OK has its header, whatever becomes of its context then.
	if s.checkContext() && s.Err() != nil {
		return nil, s.Err()
	}
	a, _ := s.awaitChosen()
	if a == nil {
		return nil, s.Err() // never OK: nothing was received
	}
	stage := a.await(false)
	seen, only := stage.headSeen(), stage == stageTrailersOnly
	s.checkContext()
	switch _, over := s.current(); {
	case seen && !only:
		return s.ResponseHeader(), nil // locks: the response may be ending
	case seen && !over:
		return metadata.MD{}, nil
	case over && s.Err() == nil || only && s.ctx.Err() == nil:
		return metadata.MD{}, nil
	case !over:
		s.end(s.conclude(a), true)
	}
	return nil, s.Err()
}

// Trailer returns the response's trailer. Valid after RecvMsg has returned an error or io.EOF.
func (s *Stream) Trailer() metadata.MD {
	a, _ := s.current()
	if a == nil {
		return metadata.MD{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.endedLocked() {
		return metadata.MD{}
	}
	return a.trailerMD()
}
