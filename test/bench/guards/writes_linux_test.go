package guards

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// writeCalls is the number of write system calls this process has made.
func writeCalls(t *testing.T) (n int64) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skipf("the kernel does not tell its counters: %v", err)
	}
	_, rest, ok := strings.Cut(string(data), "syscw: ")
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		t.Fatalf("no count of writes in %q", data)
	}
	return n
}
