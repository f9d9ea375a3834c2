//go:build invariants

package mem

// Invariants reports whether the program was built with -tags invariants.
const Invariants = true

func invariantFree(b *Buf) {
	if b.freed {
		panic("BUG: mem.Buf freed twice")
	}
	b.freed = true
	full := b.B[:cap(b.B)]
	b.B = full[:0] // as if Get had lent it to somebody else already
	if len(full) == 0 {
		return
	}
	full[0] = 0xDB
	for n := 1; n < len(full); n *= 2 {
		copy(full[n:], full[:n])
	}
}
