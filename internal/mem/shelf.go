package mem

import "sync"

// A shelf keeps a few buffers of a large class where the garbage collector does not take them.
// Large messages make it run often, each run empties the pools, and a new megabyte costs
// more to clear than to fill: without shelves 1 MiB calls are a quarter slower. What a process
// that has seen large messages keeps for good is bounded by the room below: 11 MiB.
type shelf struct {
	// immutable
	room int // most bytes kept: buffers of a class can be four times as large if they have outgrown another; 0: none
	// guarded by mu
	mu   sync.Mutex
	bufs []*Buf
	held int // bytes of bufs, spare capacity included
}

var shelves = [classes]shelf{
	4: {room: 16 << 16}, // 64 KiB: what connections read into and write from
	5: {room: 8 << 18},
	6: {room: 4 << 20},
	7: {room: 1 << 22},
}

// take returns a buffer, nil if there is none.
func (s *shelf) take() *Buf {
	if s.room == 0 {
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
	s.held -= cap(b.B)
	return b
}

// put keeps a buffer and tells whether there was room.
func (s *shelf) put(b *Buf) bool {
	if s.room == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held+cap(b.B) > s.room {
		return false
	}
	s.held += cap(b.B)
	s.bufs = append(s.bufs, b)
	return true
}
