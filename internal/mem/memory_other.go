//go:build !linux

package mem

func available() uint64 { return 0 }
