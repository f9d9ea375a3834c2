package call

import (
	"time"

	"github.com/naru-rpc/naru/internal/mem"
)

// keep remembers a message for another attempt, as long as there may be one. openMu is held.
func (s *ClientStream) keep(b *mem.Buf) {
	if s.committed {
		return
	}
	if s.replayed += len(b.B); s.replayed > maxReplay {
		s.commit()
		return
	}
	s.replay = append(s.replay, clone(b))
}

// commit decides for the current attempt. openMu is held.
func (s *ClientStream) commit() {
	s.committed = true
	s.dropReplay()
}

func (s *ClientStream) dropReplay() {
	for _, b := range s.replay {
		b.Free()
	}
	s.replay = nil
}

// replace opens another attempt in place of a, which has ended, if that is allowed. It returns
// false if not; an error ends the call.
func (s *ClientStream) replace(a *attempt) (bool, error) {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	if cur, over := s.current(); over || cur != a {
		return !over, nil
	}
	if s.committed || s.judged == a {
		return false, nil
	}
	s.judged = a
	err := a.outcome(s.set.Subtype).Err()
	if err == nil {
		return false, nil
	}
	pause, again := s.again(a, err)
	if !again {
		return false, nil
	}
	s.attemptDone(a, err)
	if err := s.pauseOpen(pause, err); err != nil {
		return false, err
	}
	if !s.method.ClientStreams && s.halfClosed && len(s.replay) == 1 {
		again := func() (*mem.Buf, error) { return clone(s.replay[0]), nil }
		return true, s.begin(clone(s.replay[0]), again)
	}
	if err := s.begin(nil, nil); err != nil {
		return false, err
	}
	cur, _ := s.current()
	for _, b := range s.replay {
		if cur.stream.Send(clone(b), false) != nil {
			return true, nil // ended again: whoever waits for it sees that
		}
	}
	if s.halfClosed {
		_ = cur.stream.Send(nil, true) // as above
	}
	return true, nil
}

// pauseOpen is pauseFor of a stream, which Close may end.
func (s *ClientStream) pauseOpen(d time.Duration, last error) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.Ended(): // watch ends the stream with its context
		return last
	}
}
