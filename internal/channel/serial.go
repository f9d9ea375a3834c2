package channel

import "sync"

// serial runs events one at a time and in order. Whoever brings an event while none is running runs
// it, and those that are added meanwhile: there is no goroutine to start or to stop, and an event
// that causes another does not find the channel half changed.
type serial struct {
	// guarded by mu
	mu      sync.Mutex
	queue   []func()
	running bool
}

// do runs f now, or hands it to the goroutine that runs events at the moment.
func (s *serial) do(f func()) {
	s.mu.Lock()
	s.queue = append(s.queue, f)
	if s.running {
		s.mu.Unlock()
		return
	}
	s.running = true
	for len(s.queue) > 0 {
		f := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		s.mu.Unlock()
		f()
		s.mu.Lock()
	}
	s.queue = nil // give back what a burst needed
	s.running = false
	s.mu.Unlock()
}

// wait runs f like do and returns when it has run. Never called from within an event.
func (s *serial) wait(f func()) {
	done := make(chan struct{}) // closed by the event
	s.do(func() { f(); close(done) })
	<-done
}
