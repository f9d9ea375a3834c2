package client

import (
	"io"
	"slices"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/status"
)

// SendMsg sends a message. It waits while the server is slow. It does not keep m. io.EOF: the call
// has ended, RecvMsg tells how. After CloseSend it is an error, always the same, and ends the call.
func (s *Stream) SendMsg(m any) error {
	if s.closedSend() {
		return s.sentAfterClose()
	}
	buf, err := s.out.Encode(m)
	if err != nil {
		s.end(err, true)
		return err
	}
	for {
		s.checkContext()
		a, ok := s.target(len(buf.B))
		if ok && a != nil && a.sending.stream.AwaitSend(nil) != nil {
			if ok = s.awaitOther(a); ok {
				continue
			}
		}
		if !ok {
			buf.Free()
			return io.EOF
		}
		if sent, err := s.put(a, buf); sent {
			return err
		}
	}
}

var errSendAfterClose = status.Error(codes.Internal, "send: CloseSend was called before")

func (s *Stream) closedSend() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halfClosed
}

func (s *Stream) sentAfterClose() error {
	s.end(errSendAfterClose, true)
	return errSendAfterClose
}

// target returns the attempt that a message of n bytes has to wait for, nil if it goes to all that
// are under way. It waits until there is one. false: the call is over.
func (s *Stream) target(n int) (*attempt, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.over:
			return nil, false
		case s.chosen != nil:
			return s.chosen, true
		case s.hedging != nil && s.replayed+n <= maxReplay:
			return nil, true
		case s.hedging != nil && len(s.live) > 0:
			s.chooseLocked(s.live[0]) // more than is kept for others
		case len(s.live) > 0:
			return s.live[0], true
		default:
			s.changed.Wait()
		}
	}
}

// awaitOther waits, after the sending half of a has ended, for what follows it. false: nothing
// does.
func (s *Stream) awaitOther(a *attempt) bool {
	a.await(true) // the transport may know more than it has told its sink so far
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.decidedLocked() && (len(s.live) == 0 || slices.Contains(s.live, a)) {
		s.changed.Wait()
	}
	return !s.over && s.chosen != a
}

// put sends buf on a, or on all attempts if a is nil. It does not if a has been replaced or there
// is a choice now.
func (s *Stream) put(a *attempt, buf *mem.Buf) (sent bool, err error) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	s.mu.Lock()
	switch {
	case s.over:
		s.mu.Unlock()
		buf.Free()
		return true, io.EOF
	case s.halfClosed:
		s.mu.Unlock()
		buf.Free()
		return true, s.sentAfterClose()
	case s.chosen != a && !(s.chosen == nil && (a == nil || slices.Contains(s.live, a))):
		s.mu.Unlock()
		return false, nil
	}
	if s.chosen == nil && !s.keepLocked(buf) {
		if a == nil { // target has seen room for it, and one goroutine sends
			s.mu.Unlock()
			return false, nil
		}
		s.chooseLocked(a)
	}
	targets, drop := s.live, s.chosen != nil && s.replay != nil
	if s.chosen != nil {
		targets = []*attempt{s.chosen}
	}
	s.mu.Unlock()
	if drop {
		s.dropReplay()
	}
	// If a stream has ended meanwhile the next operation finds out; the message is kept for another
	// attempt as if it had been lost on the wire.
	for i, t := range targets {
		if i < len(targets)-1 {
			_ = t.sending.stream.Send(clone(buf), false)
		} else {
			_ = t.sending.stream.Send(buf, false)
		}
	}
	if len(targets) == 0 {
		buf.Free()
	}
	return true, nil
}

// CloseSend says that no message follows. It fails only if SendMsg would.
func (s *Stream) CloseSend() error {
	s.checkContext()
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	s.mu.Lock()
	if s.halfClosed {
		s.mu.Unlock()
		return nil
	}
	s.halfClosed = true
	targets := s.live // an attempt that is being launched is told when it joins
	if s.chosen != nil && !s.over {
		targets = []*attempt{s.chosen}
	}
	s.mu.Unlock()
	for _, t := range targets {
		_ = t.sending.stream.Send(nil, true) // RecvMsg tells why not
	}
	return nil
}
