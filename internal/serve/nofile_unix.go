//go:build unix

package serve

import "syscall"

// DescriptorLimit returns how many descriptors the process may have open, and could; ok is false
// where that is not known.
func DescriptorLimit() (soft, hard uint64, ok bool) {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 0, 0, false
	}
	return uint64(lim.Cur), uint64(lim.Max), true
}
