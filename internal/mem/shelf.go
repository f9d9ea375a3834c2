package mem

import "sync"

// A shelf keeps buffers of a large class where a collection does not take them, as it takes those of
// a sync.Pool: large messages make the collector run often, and a new megabyte costs more to
// clear than to fill. What all shelves keep is bounded by their rooms, and they are emptied when
// nothing used them for a while (see pacer).
type shelf struct {
	// immutable
	room int // most bytes kept, spare capacity included; 0: the class has no shelf

	// guarded by mu
	mu   sync.Mutex
	bufs []*Buf
	held int // bytes of bufs
}

// The rooms come to 17 MiB.
var shelves = [classes]shelf{
	5:  {room: 3 << 20}, // 65 KiB: what connections read into and write from
	6:  {room: 2 << 20},
	7:  {room: 2 << 20},
	8:  {room: 2 << 20},
	9:  {room: 4<<20 + 4*slack}, // 1 MiB
	10: {room: 0},               // messages that large are rare: the pool has them
	11: {room: 4<<20 + slack},   // 4 MiB, the default limit
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
	if s.held+cap(b.B) > s.room {
		s.mu.Unlock()
		return false
	}
	s.held += cap(b.B)
	s.bufs = append(s.bufs, b)
	s.mu.Unlock()
	pace.use()
	return true
}

func (s *shelf) empty() {
	s.mu.Lock()
	s.bufs, s.held = nil, 0
	s.mu.Unlock()
}
