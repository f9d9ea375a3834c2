//go:build unix

package guards

import (
	"syscall"
	"testing"
)

// descriptors is how many files this process may have open; the runtime has raised the limit
// to what it is allowed to.
func descriptors(t *testing.T) int {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	return int(min(uint64(l.Cur), 1<<20))
}
