package mem

import "sync/atomic"

// MostAhead is by how many bytes the buffers of received messages may together exceed what has
// come, beyond what those of each stream may alone. Larger buffers save copies while messages come
// fast, and buffers of a size class are used again; if peers leave them half full, others are made
// to measure.
const MostAhead = 32 << 20

var ahead atomic.Int64

// Ahead reserves n bytes for a buffer that is larger than what has been received. It returns false
// if that would exceed MostAhead; otherwise Caught must release them.
func Ahead(n int) bool {
	if ahead.Add(int64(n)) > MostAhead {
		ahead.Add(-int64(n))
		return false
	}
	return true
}

// Caught gives n bytes back: they have come, or the buffer is its reader's, or dropped.
func Caught(n int) { ahead.Add(-int64(n)) }

// New makes a buffer with length 0 and capacity n, not rounded up to a size class.
func New(n int) *Buf { return &Buf{B: make([]byte, 0, n)} }
