//go:build !invariants

package mem

// Invariants reports whether the program was built with -tags invariants.
const Invariants = false

func invariantFree(*Buf) {}
