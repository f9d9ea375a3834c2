// Package yield lets small calls get at the processors that large messages keep busy.
//
// A stream of large messages marshals, writes, reads and unmarshals without pause. Its threads use up
// their time slices, milliseconds each, and where they are more than there are processors, the
// threads of a small call wait for such a slice at each of its four wake-ups. So whoever has worked off a large
// piece gives the processor up (sched_yield(2)) if small calls were made lately; who waits for it gets on
// after microseconds. Without small calls, and without large messages, it costs a comparison.
//
// Only Linux is told; elsewhere nothing is done.
package yield

import (
	"sync/atomic"
	"time"
)

const (
	// Least is the size from which a piece of work is a large one, in bytes.
	Least = 8 << 10
	// lasting is how many bytes of large messages are considerate after a small call. 64 MiB take some 50 ms: twenty small
	// calls per second are enough to be waited for all the time, and who makes one per minute
	// costs a stream next to nothing.
	lasting = 64 << 20
	// waitTime tells whether somebody was waiting: giving up a processor that nobody wants takes less than a microsecond.
	waitTime = 10 * time.Microsecond
	// crowdedFor is for how many pieces processors are taken to be scarce after somebody waited.
	crowdedFor = 256
	// smallPiece is what is worked off in one go then: one frame of the usual size.
	smallPiece = 16 << 10
)

var (
	left    atomic.Int64 // bytes that are to be considerate
	crowded atomic.Int32 // pieces left for which processors are taken to be scarce
)

// Small tells that a small call was made.
func Small() {
	if left.Load() < lasting/2 { // so that processors seldom write to the same place
		left.Store(lasting)
	}
}

// After tells that n bytes were worked off in one go. It lets other threads have the processor if small calls may be
// among those who wait for it. Not to be called with a lock held.
func After(n int) {
	if n < Least || left.Load() <= 0 {
		return
	}
	left.Add(-int64(n))
	before := time.Now()
	yieldThread()
	if time.Since(before) >= waitTime {
		crowded.Store(crowdedFor)
	} else if crowded.Load() > 0 {
		crowded.Add(-1)
	}
}

// Piece returns how much is to be worked off in one go: most, or less if small calls wait for processors.
func Piece(most int) int {
	if crowded.Load() > 0 && left.Load() > 0 {
		return min(most, smallPiece)
	}
	return most
}
