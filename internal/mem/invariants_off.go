//go:build !invariants

package mem

func invariantFree(*Buf) {}
