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

// lockOpen locks openMu when no attempt is being replaced, which can take as long as it takes to find a connection. It waits
// for that on a condition and not on the lock: time in a testing/synctest bubble stands still while a lock is waited for.
func (s *ClientStream) lockOpen() {
	s.openMu.Lock()
	for s.replacing {
		s.replaced.Wait()
	}
}

// replace opens another attempt in place of a, which has ended, if that is allowed. It returns
// false if not; an error ends the call.
func (s *ClientStream) replace(a *attempt) (bool, error) {
	s.lockOpen()
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
	whole := !s.method.ClientStreams && s.halfClosed && len(s.replay) == 1
	s.replaced.L, s.replacing = &s.openMu, true
	s.openMu.Unlock()
	err = s.reopen(pause, err, whole)
	s.openMu.Lock()
	s.replacing = false
	s.replaced.Broadcast()
	if whole || err != nil {
		return err == nil, err
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

// reopen begins another attempt after a pause; whole: with the whole request. replacing is set, openMu is not held.
func (s *ClientStream) reopen(pause time.Duration, last error, whole bool) error {
	if err := s.pauseOpen(pause, last); err != nil {
		return err
	}
	if whole {
		again := func() (*mem.Buf, error) { return clone(s.replay[0]), nil }
		return s.begin(clone(s.replay[0]), again)
	}
	return s.begin(nil, nil)
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
