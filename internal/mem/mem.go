// Package mem lends byte buffers from pools of a few size classes.
//
// A [Buf] has one owner at a time. Whoever holds it may pass it on; the last
// owner calls [Buf.Free] once and must not touch it again. Built with
// -tags invariants, Free overwrites the bytes and a second Free panics, so that
// a use after give-back shows in any test that compares contents.
package mem

import (
	"math/bits"
	"sync"
)

// Size classes are powers of four from 256 B to 4 MiB: few enough that each pool
// stays warm, close enough that at most three quarters of a buffer is slack.
const (
	minShift = 8
	classes  = 8
	maxClass = 1 << (minShift + 2*(classes-1))
)

// A Buf is a lent byte buffer. B may be appended to freely; if it outgrows its
// capacity the pool simply does not get the larger array back in the same class.
type Buf struct {
	B     []byte
	freed bool // kept for -tags invariants only
}

var pools [classes]sync.Pool

func classFor(n int) int {
	if n <= 1<<minShift {
		return 0
	}
	return (bits.Len(uint(n-1)) - minShift + 1) / 2
}

// Get lends a buffer with length 0 and capacity of at least n bytes.
func Get(n int) *Buf {
	if n > maxClass {
		return &Buf{B: make([]byte, 0, n)}
	}
	c := classFor(n)
	b := shelves[c].take()
	if b == nil {
		if v := pools[c].Get(); v != nil {
			b = v.(*Buf)
		}
	}
	if b != nil {
		b.B = b.B[:0]
		b.freed = false
		return b
	}
	return &Buf{B: make([]byte, 0, 1<<(minShift+2*c))}
}

// Free gives the buffer back. A nil Buf is allowed.
func (b *Buf) Free() {
	if b == nil {
		return
	}
	invariantFree(b)
	n := cap(b.B)
	if n < 1<<minShift || n > maxClass {
		return // grown past the largest class, or never ours: the collector has it
	}
	// The class whose size is at most cap(B), so that Get's promise on capacity holds.
	c := (bits.Len(uint(n)) - 1 - minShift) / 2
	if !shelves[c].put(b) {
		pools[c].Put(b)
	}
}
