package mem

import (
	"sync"
	"time"
)

// A freeList holds freed buffers of one large size class across garbage collections, which empty a
// sync.Pool. Large messages make the collector run often, and clearing a new megabyte costs more
// than filling it. What the lists hold is bounded by their limits and released when a list has not
// been used for idleTime.
type freeList struct {
	// immutable
	limit int // most bytes held, spare capacity included; a zero limit disables the list

	// guarded by mu
	mu    sync.Mutex
	bufs  []*Buf
	held  int  // capacity of bufs in bytes
	used  bool // since the timer last ran
	timed bool // a timer is running: while the list holds anything
}

// idleTime is how long a list that is not used holds its buffers; up to twice as long in the worst
// case. Much shorter would allocate anew for a load that comes in bursts.
const idleTime = 5 * time.Second

// The limits add up to 17 MiB.
var freeLists = [classes]freeList{
	5:  {limit: 3 << 20}, // 65 KiB: the buffers connections read into and write from
	6:  {limit: 2 << 20},
	7:  {limit: 2 << 20},
	8:  {limit: 2 << 20},
	9:  {limit: 4<<20 + 4*slack}, // 1 MiB
	10: {limit: 0},               // messages that large are rare: the pool serves them
	11: {limit: 4<<20 + slack},   // 4 MiB, the default message size limit
}

// take returns a buffer, or nil if the list is empty.
func (l *freeList) take() *Buf {
	if l.limit == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.bufs)
	if n == 0 {
		return nil
	}
	b := l.bufs[n-1]
	l.bufs[n-1] = nil
	l.bufs = l.bufs[:n-1]
	l.held -= cap(b.B)
	l.used = true
	return b
}

// put adds a buffer and reports whether there was room for it.
func (l *freeList) put(b *Buf) bool {
	if l.limit == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held+cap(b.B) > l.limit {
		return false
	}
	l.held += cap(b.B)
	l.bufs = append(l.bufs, b)
	l.used = true
	if !l.timed {
		l.timed = true
		l.startTimer()
	}
	return true
}

// startTimer starts a new timer each time: one that was made inside a testing/synctest bubble
// cannot be reset from outside of it.
func (l *freeList) startTimer() { time.AfterFunc(idleTime, l.expire) }

// Release lets go of the large buffers that are kept for messages to come: of those that the
// process holds, only those in use remain, and what sync.Pool keeps until the next garbage
// collections.
func Release() {
	for i := range freeLists {
		l := &freeLists[i]
		l.mu.Lock()
		clear(l.bufs)
		l.bufs, l.held = l.bufs[:0], 0
		l.mu.Unlock()
	}
}

// expire releases the buffers if the list has not been used since the timer was started.
func (l *freeList) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used {
		l.used = false
		l.startTimer()
		return
	}
	l.bufs, l.held, l.timed = nil, 0, false
}
