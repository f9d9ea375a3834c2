package client

import (
	"io"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/status"
)

// RecvMsg receives the next message into m. io.EOF: the call has ended with OK; any other error is
// the call's status. Both release the stream.
func (s *Stream) RecvMsg(m any) error {
	if !s.receiver.CompareAndSwap(wire.ReceiverIdle, wire.ReceiverBusy) {
		if s.receiver.Load() == wire.ReceiverBusy {
			return status.Error(codes.Internal, "receive: another goroutine is receiving on this stream")
		}
		return s.outcome()
	}
	err := s.recv(m)
	if !s.receiver.CompareAndSwap(wire.ReceiverBusy, wire.ReceiverIdle) {
		if a, _ := s.current(); a != nil {
			a.release()
		}
	}
	return err
}

// outcome is what RecvMsg returns when the call is over.
func (s *Stream) outcome() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != nil {
		return s.final
	}
	return io.EOF
}

func (s *Stream) recv(m any) error {
	if s.checkContext() {
		return s.outcome()
	}
	a, over := s.awaitChosen()
	for !over {
		// Before messages that are here already: nothing succeeds after the caller has cancelled.
		if s.checkContext() {
			break
		}
		if f, ok := a.messages.Next(); ok {
			return s.deliver(a, f, m)
		}
		ended, err := s.refill(a)
		if err == nil && ended {
			err = s.conclude(a)
		}
		if err != nil || ended {
			s.end(err, true)
			break
		}
		_, over = s.current()
	}
	return s.outcome()
}

// conclude is the status error of a response that has ended without a message more, nil for OK.
func (s *Stream) conclude(a *attempt) error {
	c := s.snapshot()
	err := c.withAttempts(c.explain(a, a.outcome(s.set.Subtype)).Err())
	switch {
	case err != nil:
		return err
	case !s.method.ServerStreams:
		return status.Error(codes.Unimplemented, "server sent no message to a call that has one response")
	}
	c.throttle().Success()
	return nil
}

// deliver decodes a message. A call with one response is over with it: refill has seen to that.
func (s *Stream) deliver(a *attempt, f wire.Frame, m any) error {
	err := a.in.Decode(f, m)
	a.credit(f)
	if err != nil {
		s.end(err, true)
		return s.outcome()
	}
	if !s.method.ServerStreams {
		s.throttle().Success()
		s.end(nil, false)
		return s.Err() // not nil if the context has ended the call just before
	}
	return nil
}

// credit counts f as used.
func (a *attempt) credit(f wire.Frame) {
	n := a.messages.Credit(f)
	if n == 0 {
		return
	}
	a.mu.Lock()
	a.credited += n
	a.mu.Unlock()
	a.sending.stream.Consumed(n)
}

// refill waits for messages and takes them over. ended: there are no more. The first time it looks
// at the head.
func (s *Stream) refill(a *attempt) (ended bool, err error) {
	a.mu.Lock()
	for !s.readyLocked(a) {
		if a.problem != nil && a.interest != expired {
			defer a.mu.Unlock()
			return false, a.problem.Status().Err()
		}
		if a.complete() {
			a.mu.Unlock()
			return true, nil
		}
		if a.interest != wanted {
			a.mu.Unlock()
			return false, s.outcome()
		}
		a.waiting = true
		a.mu.Unlock()
		<-a.wake
		a.mu.Lock()
	}
	if !s.method.ServerStreams {
		a.mu.Unlock() // a response that has ended does not change
		if err := s.checkSingle(a); err != nil {
			return false, err
		}
		a.mu.Lock()
	}
	a.messages.Refill(a.messages.Take())
	a.mu.Unlock()
	if !a.checked {
		return false, s.checkHead(a)
	}
	return false, nil
}

// readyLocked: the response of a call that has one counts only with its status.
func (s *Stream) readyLocked(a *attempt) bool {
	return a.messages.Ready() && !a.foreign && (s.method.ServerStreams || a.endedLocked())
}

// checkSingle checks that a call with one response, which has ended, got just that, and its status.
func (s *Stream) checkSingle(a *attempt) error {
	c := s.snapshot()
	if st := c.explain(a, a.outcome(s.set.Subtype)); st != nil {
		return c.withAttempts(st.Err())
	}
	if a.messages.Messages() > 1 {
		return status.Error(codes.Unimplemented, "server sent more than one message to a call that has one response")
	}
	return nil
}

// checkHead decides how the attempt's messages are read.
func (s *Stream) checkHead(a *attempt) error {
	a.checked = true
	if st := a.headError(s.set.Subtype); st != nil {
		return st.Err()
	}
	return a.prepareInbound(s.ctx, s.env, &s.out, s.maxReceive).Err()
}
