// Package mem lends byte buffers from pools of a few size classes.
//
// A [Buf] has one owner at a time, which may pass it on. The last owner calls [Buf.Free] once and
// must not use it again. Built with -tags invariants, Free overwrites the bytes and a second Free
// panics, so that a use after Free shows in any test that compares contents.
package mem

import (
	"math/bits"
	"sync"
)

// Size classes are powers of four up to 16 KiB, few enough that each pool stays warm; and powers of
// two with some slack from 32 KiB to 4 MiB, so that a message with a payload of such a round
// size fits the class of that size together with what goes around it.
const (
	classes      = 12
	smallShift   = 8 // 256 B
	smallClasses = 4
	maxSmall     = 1 << (smallShift + 2*(smallClasses-1))
	largeShift   = 15 // 32 KiB
	slack        = 1 << 10
	maxClass     = 1<<(largeShift+classes-smallClasses-1) + slack
)

// A Buf is a byte buffer. B may be appended to; Free then returns the larger array to the class of
// its size.
type Buf struct {
	B     []byte
	freed bool // kept for -tags invariants only
}

var pools [classes]sync.Pool

// classFor returns the smallest class whose buffers hold n bytes.
func classFor(n int) int {
	switch {
	case n <= 1<<smallShift:
		return 0
	case n <= maxSmall:
		return (bits.Len(uint(n-1)) - smallShift + 1) / 2
	case n <= 1<<largeShift+slack:
		return smallClasses
	}
	return smallClasses + bits.Len(uint(n-slack-1)) - largeShift
}

// classBytes is the size of a class's buffers.
func classBytes(class int) int {
	if class < smallClasses {
		return 1 << (smallShift + 2*class)
	}
	return 1<<(largeShift+class-smallClasses) + slack
}

// Size returns the capacity of the buffer that Get lends for n bytes, if it has to make one.
func Size(n int) int {
	if n > maxClass {
		return n
	}
	return classBytes(classFor(n))
}

// Get lends a buffer with length 0 and capacity of at least n bytes.
func Get(n int) *Buf {
	if n > maxClass {
		return &Buf{B: make([]byte, 0, n)}
	}
	c := classFor(n)
	b := freeLists[c].take()
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
	return &Buf{B: make([]byte, 0, classBytes(c))}
}

// Free returns the buffer to its pool. A nil Buf is allowed.
func (b *Buf) Free() {
	if b == nil {
		return
	}
	invariantFree(b)
	n := cap(b.B)
	if n < 1<<smallShift || n > maxClass {
		return // outside the classes: left to the garbage collector
	}
	c := classFor(n)
	if classBytes(c) > n {
		c-- // the class whose size it has at least, so that Get's promise on capacity holds
	}
	if !freeLists[c].put(b) {
		pools[c].Put(b)
	}
}
