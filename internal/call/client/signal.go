package client

// A signal wakes those who wait for a response. Guarded by the attempt's mu.
type signal struct {
	waiting bool          // the receiving goroutine waits for wake
	wake    chan struct{} // capacity 1, for one token per wait; for the receiving goroutine
	bell    chan struct{} // closed with the next change, for all others; nil: no one waits
}

func (s *signal) reset() {
	s.waiting, s.bell = false, nil
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	select {
	case <-s.wake:
	default:
	}
}

// wakeLocked wakes the receiving goroutine.
func (s *signal) wakeLocked() {
	if s.waiting {
		s.waiting = false
		select {
		case s.wake <- struct{}{}:
		default: // the token of a wait that ended for another reason is still there, and does as well
		}
	}
}

// ringLocked wakes those who wait for something else than messages.
func (s *signal) ringLocked() {
	if s.bell != nil {
		close(s.bell)
		s.bell = nil
	}
}

// bellLocked returns what the next ringLocked closes.
func (s *signal) bellLocked() <-chan struct{} {
	if s.bell == nil {
		s.bell = make(chan struct{})
	}
	return s.bell
}

// await waits for the head (or, if end is set, the end) of the response, or until it is not wanted
// any more. It returns how far the response has come.
func (a *attempt) await(end bool) stage {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.endedLocked() && a.interest == wanted && (end || !a.stage.headSeen()) {
		bell := a.bellLocked()
		a.mu.Unlock()
		<-bell
		a.mu.Lock()
	}
	return a.stage
}
