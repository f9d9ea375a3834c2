package narutest

import (
	"testing"

	"github.com/naru-rpc/naru/internal/leak"
)

// VerifyTestMain runs a package's tests and ends the process with their exit code, or with 1
// if they passed and goroutines were left running 5 seconds later, whose stacks it prints. Clients
// and servers that were not closed are the usual cause. To be called from TestMain.
func VerifyTestMain(m *testing.M) { leak.VerifyTestMain(m) }

// CheckLeaks fails t if goroutines started after this call are still running when the test and
// its later clean-ups have ended, after waiting for them for up to 5 seconds. To be called first
// in a test; not in one that runs in parallel with others, whose goroutines it cannot tell apart.
func CheckLeaks(t testing.TB) {
	t.Helper()
	leak.Check(t)
}
