// Package leak finds goroutines that outlive a test.
//
// It reads the stacks of all goroutines, leaves out those that belong to the runtime and the
// testing package, and gives the rest time to end before it complains. It has no dependency
// and no configuration beyond that.
//
// Known limitation: [Check] compares with what ran when it was called, so it must not be used
// in a test that runs in parallel with others; [VerifyTestMain] has no such limit.
package leak

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// grace is how long goroutines that are on their way out may take. Long, because it only
// passes in full when there is a leak and the test fails anyway.
const grace = 5 * time.Second

// A TestMain is what [VerifyTestMain] runs. *testing.M is one.
type TestMain interface{ Run() int }

// A Test is what [Check] reports to. testing.TB is one.
type Test interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Failed() bool
}

// VerifyTestMain runs the tests of a package and ends the process: with their exit code, or
// with 1 if they passed and left goroutines behind, whose stacks it prints. To be called from
// TestMain.
func VerifyTestMain(m TestMain) {
	os.Exit(verify(m, grace, os.Stderr.WriteString))
}

func verify(m TestMain, grace time.Duration, print func(string) (int, error)) int {
	code := m.Run()
	if code != 0 {
		return code // the failure that is there already is the one to read
	}
	left := wait(nil, grace)
	if len(left) == 0 {
		return 0
	}
	_, _ = print(report(left))
	return 1
}

// Check fails t if goroutines started after the call still run when the test and the clean-ups
// it registers later have ended. To be called first in a test.
func Check(t Test) { check(t, grace) }

func check(t Test, grace time.Duration) {
	t.Helper()
	before := make(map[string]bool)
	for _, g := range running() {
		before[g.id] = true
	}
	t.Cleanup(func() {
		if t.Failed() {
			return // a test that gave up half-way leaves things running; its error matters more
		}
		if left := wait(before, grace); len(left) > 0 {
			t.Errorf("%s", report(left))
		}
	})
}

// wait polls until no goroutine but known ones is left or the time is up, and returns the rest.
func wait(known map[string]bool, grace time.Duration) []goroutine {
	pause := time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		runtime.Gosched()
		var left []goroutine
		for _, g := range running() {
			if !known[g.id] {
				left = append(left, g)
			}
		}
		if len(left) == 0 || waited >= grace {
			return left
		}
		pause = min(2*pause, 100*time.Millisecond)
		<-time.After(pause)
	}
}

type goroutine struct {
	id    string // "goroutine 12"
	stack string
}

// running returns every goroutine that a test could have started, the caller's not among them.
func running() []goroutine {
	var out []goroutine
	for i, block := range bytes.Split(stacks(), []byte("\n\n")) {
		g := goroutine{stack: strings.TrimSpace(string(block))}
		if i == 0 || g.stack == "" || isStandard(g.stack) {
			continue // the first block is the goroutine that asks
		}
		g.id, _, _ = strings.Cut(g.stack, " [")
		out = append(out, g)
	}
	return out
}

func stacks() []byte {
	buf := make([]byte, 64<<10)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return buf[:n]
		}
		buf = make([]byte, 2*len(buf))
	}
}

// isStandard tells goroutines of the runtime and the testing package, which are nobody's leak,
// by the function they were started with or wait in.
func isStandard(stack string) bool {
	for _, sign := range []string{
		"testing.(*M).",
		"testing.(*T).Run(",       // a test that waits for its subtests
		"testing.(*F).Fuzz(",      // a fuzz target likewise
		"testing.tRunner(",        // a test of the package itself
		"testing.runFuzzing(",     //
		"testing.runTests(",       //
		"runtime.goexit0(",        // on its way out
		"runtime.ensureSigM(",     // os/signal's helper, started once per process
		"os/signal.loop(",         // likewise
		"os/signal.signal_recv(",  //
		"runtime.ReadTrace(",      // go test -trace
		"runtime/trace.Start.",    //
		"runtime/pprof.profileWr", // go test -cpuprofile
		"runtime.MHeap_Scavenger", //
		"created by runtime.gc",   // background workers of the collector
	} {
		if strings.Contains(stack, sign) {
			return true
		}
	}
	return false
}

func report(left []goroutine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "leak: %d goroutine(s) still running after the test:\n", len(left))
	for _, g := range left {
		b.WriteString("\n")
		b.WriteString(g.stack)
		b.WriteString("\n")
	}
	return b.String()
}
