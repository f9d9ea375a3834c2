//go:build !linux

package yield

func yieldThread() {}
