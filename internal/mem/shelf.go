package mem

import "sync"

// A shelf keeps a few buffers of a large class where the garbage collector does not take them.
// Large messages make it run often, each run empties the pools, and a new megabyte costs
// more to clear than to fill: without shelves 1 MiB calls are a quarter slower. What a process
// that has seen large messages keeps for good is bounded by the sizes below: 11 MiB.
type shelf struct {
	// immutable
	size int // most buffers kept; 0: none
	// guarded by mu
	mu   sync.Mutex
	bufs []*Buf
}

var shelves = [classes]shelf{
	4: {size: 16}, // 64 KiB: what connections read into and write from
	5: {size: 8},
	6: {size: 4},
	7: {size: 1},
}

// take returns a buffer, nil if there is none.
func (s *shelf) take() *Buf {
	if s.size == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.bufs)
	if n == 0 {
		return nil
	}
	b := s.bufs[n-1]
	s.bufs[n-1] = nil
	s.bufs = s.bufs[:n-1]
	return b
}

// put keeps a buffer and tells whether there was room.
func (s *shelf) put(b *Buf) bool {
	if s.size == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bufs) >= s.size {
		return false
	}
	s.bufs = append(s.bufs, b)
	return true
}
