//go:build !linux

package guards

import "testing"

func writeCalls(t *testing.T) int64 {
	t.Helper()
	t.Skip("only Linux counts a process's system calls")
	return 0
}
