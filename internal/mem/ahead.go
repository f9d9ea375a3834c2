package mem

import "sync/atomic"

// mostAhead is by how much the buffers of incomplete messages may together exceed what has been received, beyond
// what each may alone. Larger buffers save copies while messages arrive fast; if peers leave them half full,
// others grow in smaller steps.
const mostAhead = 32 << 20

var ahead atomic.Int64

// Ahead reserves n bytes for a buffer that is larger than what has been received. It returns false if that would
// exceed mostAhead; otherwise Caught must release them.
func Ahead(n int) bool {
	if ahead.Add(int64(n)) > mostAhead {
		ahead.Add(-int64(n))
		return false
	}
	return true
}

// Caught releases n bytes: the message is complete, or dropped.
func Caught(n int) { ahead.Add(-int64(n)) }

// New makes a buffer with length 0 and capacity n, not rounded up to a size class.
func New(n int) *Buf { return &Buf{B: make([]byte, 0, n)} }
