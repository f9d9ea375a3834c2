package mem

import "sync/atomic"

// mostAhead is by how much the buffers of messages that have not come whole may together exceed what has come,
// beyond what each may alone. Larger buffers save copies while messages come fast; if peers leave them half full, others
// grow in smaller steps.
const mostAhead = 32 << 20

var ahead atomic.Int64

// Ahead takes n bytes for a buffer that is larger than what has come. It returns false if there are not so many;
// else they are to be given back to Caught.
func Ahead(n int) bool {
	if ahead.Add(int64(n)) > mostAhead {
		ahead.Add(-int64(n))
		return false
	}
	return true
}

// Caught gives n bytes back: the message is complete, or dropped.
func Caught(n int) { ahead.Add(-int64(n)) }

// New makes a buffer with length 0 and capacity n, not rounded up to a size class.
func New(n int) *Buf { return &Buf{B: make([]byte, 0, n)} }
