//go:build invariants

package mem

func invariantFree(b *Buf) {
	if b.freed {
		panic("BUG: mem.Buf freed twice")
	}
	b.freed = true
	full := b.B[:cap(b.B)]
	for i := range full {
		full[i] = 0xDB
	}
}
