package leak

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const short = 20 * time.Millisecond

// fake is a test whose outcome is looked at instead of reported.
type fake struct {
	failed  bool
	text    string
	cleanup []func()
}

func (f *fake) Helper()          {}
func (f *fake) Failed() bool     { return f.failed }
func (f *fake) Cleanup(g func()) { f.cleanup = append(f.cleanup, g) }
func (f *fake) Errorf(format string, args ...any) {
	f.text += fmt.Sprintf(format, args...)
}
func (f *fake) end() {
	for i := len(f.cleanup) - 1; i >= 0; i-- {
		f.cleanup[i]()
	}
}

func straggler(stop chan struct{}) { <-stop }

func TestCheckNamesTheGoroutineLeft(t *testing.T) {
	f, stop := new(fake), make(chan struct{})
	check(f, short)
	go straggler(stop)
	f.end()
	if !strings.Contains(f.text, "leak.straggler") || !strings.Contains(f.text, "1 goroutine(s)") {
		t.Errorf("report = %q, want the stack of straggler alone", f.text)
	}
	close(stop)
}

func TestCheckPasses(t *testing.T) {
	stop := make(chan struct{})
	go straggler(stop) // before the check: not the test's
	f := new(fake)
	check(f, short)
	ended := make(chan struct{})
	go func() { close(ended) }()
	f.Cleanup(func() { <-ended })
	f.end()
	close(stop)
	if f.text != "" {
		t.Errorf("report = %q, want none: what was started has ended", f.text)
	}
}

func TestCheckWaitsForStragglers(t *testing.T) {
	f, stop := new(fake), make(chan struct{})
	check(f, grace)
	go straggler(stop)
	time.AfterFunc(short, func() { close(stop) })
	f.end()
	if f.text != "" {
		t.Errorf("report = %q, want patience with a goroutine that ends by itself", f.text)
	}
}

func TestCheckIsSilentAfterAFailure(t *testing.T) {
	f, stop := new(fake), make(chan struct{})
	check(f, short)
	go straggler(stop)
	f.failed = true
	f.end()
	close(stop)
	if f.text != "" {
		t.Errorf("report = %q, want none: the failure that is there matters more", f.text)
	}
}

type tests func() int

func (t tests) Run() int { return t() }

func TestVerify(t *testing.T) {
	stop := make(chan struct{})
	var printed string
	print := func(s string) (int, error) { printed += s; return len(s), nil }
	for _, tt := range []struct {
		name string
		run  tests
		code int
		text string
	}{
		{"clean", func() int { return 0 }, 0, ""},
		{"failed", func() int { go straggler(stop); return 3 }, 3, ""},
		{"leaking", func() int { return 0 }, 1, "leak.straggler"}, // the one of the case before
	} {
		printed = ""
		if code := verify(tt.run, short, print); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.name, code, tt.code)
		}
		if (printed == "") != (tt.text == "") || !strings.Contains(printed, tt.text) {
			t.Errorf("%s: printed %q, want %q in it", tt.name, printed, tt.text)
		}
	}
	close(stop)
}
