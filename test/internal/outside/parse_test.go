package outside

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func wantCounts(t *testing.T, r *Result, passed, failed, skipped int) {
	t.Helper()
	if r.Passed != passed || r.Failed != failed || r.Skipped != skipped {
		t.Errorf("passed %d, failed %d, skipped %d; want %d, %d, %d", r.Passed, r.Failed, r.Skipped, passed, failed, skipped)
	}
	if len(r.Failures) != failed {
		t.Errorf("%d failures described, want %d: %q", len(r.Failures), failed, r.Failures)
	}
}

func TestParseConformance(t *testing.T) {
	r := &Result{}
	err := parseConformance(r, `FAILED: Basic/HTTPVersion:2/unary/success:
	expecting 1 response messages but instead got 0
	received an unexpected error
FAILED: Errors/HTTPVersion:2/unary/error:
	wrong code

Total cases: 12
10 passed, 2 failed
`)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, r, 10, 2, 0)
	if !strings.HasPrefix(r.Failures[0], "Basic/") || !strings.Contains(r.Failures[0], "unexpected error") {
		t.Errorf("first failure: %q, want all its lines", r.Failures[0])
	}
	r = &Result{}
	if err := parseConformance(r, "\nTotal cases: 1206\n1206 passed, 0 failed\n"); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, r, 1206, 0, 0)
	for _, out := range []string{"", "panic: something\n", "Total cases: 4\n"} {
		if err := parseConformance(&Result{}, out); err == nil {
			t.Errorf("%q: no error, though there are no totals in it", out)
		}
	}
}

func TestParseH2Spec(t *testing.T) {
	r := &Result{}
	err := parseH2Spec(r, []byte(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="2. Streams" package="generic/2" id="2" tests="3" skipped="1" failures="1" errors="0">
    <testcase package="generic/2" classname="Sends a PRIORITY frame" time="0.0003"></testcase>
    <testcase package="generic/2" classname="Sends a WINDOW_UPDATE frame" time="2.0"><failure>DATA frame
Timeout</failure></testcase>
    <testcase package="generic/2" classname="Sends something else" time="0"><skipped></skipped></testcase>
  </testsuite>
  <testsuite name="3. Frames" package="generic/3" id="3" tests="1">
    <testcase package="generic/3" classname="Sends a DATA frame"><error>refused</error></testcase>
  </testsuite>
</testsuites>`))
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, r, 1, 2, 1)
	if !strings.Contains(r.Failures[0], "Sends a WINDOW_UPDATE frame") || !strings.Contains(r.Failures[0], "Timeout") {
		t.Errorf("first failure: %q, want the case and what happened", r.Failures[0])
	}
	if err := parseH2Spec(&Result{}, []byte("<testsuites><testsuite>")); err == nil {
		t.Error("half a report: no error")
	}
}

func TestParseLines(t *testing.T) {
	r := &Result{}
	parseLines(r, "ok products\nwarning: ok is not at the start\nFAILED orders: AssertionError: got 1\nok cancel\n")
	wantCounts(t, r, 2, 1, 0)
	if r.Failures[0] != "orders: AssertionError: got 1" {
		t.Errorf("failure: %q", r.Failures[0])
	}
}

func TestParseGoTest(t *testing.T) {
	r := &Result{}
	parseGoTest(r, `{"Action":"start","Package":"p"}
{"Action":"run","Test":"TestForeignServer"}
{"Action":"output","Test":"TestForeignServer/orders","Output":"shop_test.go:1: wrong\n"}
{"Action":"fail","Test":"TestForeignServer/orders"}
{"Action":"pass","Test":"TestForeignServer/products"}
{"Action":"skip","Test":"TestForeignServer/large"}
{"Action":"fail","Test":"TestForeignServer"}
not json
`)
	wantCounts(t, r, 1, 1, 1)
	if !strings.Contains(r.Failures[0], "wrong") {
		t.Errorf("failure: %q, want the test's output", r.Failures[0])
	}
}

func TestCurlCheck(t *testing.T) {
	c := &curl{want: []string{"one", "two", "one"}}
	if got := c.check("one and two and one", nil); got != "" {
		t.Errorf("all pieces in order: %q", got)
	}
	if c.check("one and two", nil) == "" || c.check("two one one", nil) == "" {
		t.Error("a missing or misplaced piece was not noticed")
	}
	if c.check("one two one", errors.New("exit status 1")) == "" {
		t.Error("an exit with an error was not noticed")
	}
	c.fails = true
	if c.check("one two one", nil) == "" {
		t.Error("a success that should have failed was not noticed")
	}
}

func TestTableFailsOnAnythingButSuccess(t *testing.T) {
	good := &Result{Suite: "s", Role: "r", Passed: 3, Skipped: 1}
	for name, bad := range map[string]*Result{
		"a failure":      {Suite: "s", Role: "r", Passed: 3, Failed: 1, Failures: []string{"the case"}},
		"nothing passed": {Suite: "s", Role: "r"},
		"did not run":    {Suite: "s", Role: "r", Passed: 3, Err: errors.New("no such program")},
	} {
		var out strings.Builder
		if WriteTable(&out, []*Result{good, bad}) {
			t.Errorf("%s: the table says that all is well:\n%s", name, out.String())
		}
		if !strings.Contains(out.String(), "FAILED") {
			t.Errorf("%s: no FAILED in the table:\n%s", name, out.String())
		}
	}
	var out strings.Builder
	if !WriteTable(&out, []*Result{good}) || strings.Contains(out.String(), "FAILED") {
		t.Errorf("a good result: the table says it failed:\n%s", out.String())
	}
}

// TestOnFreePort: a port that someone else took in between is not the program's failure.
func TestOnFreePort(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tries := 0
	p, err := onFreePort(func(port int) (*Process, error) {
		if tries++; tries < 3 {
			_, err := net.Listen("tcp", taken.Addr().String())
			return nil, err
		}
		return &Process{Port: port}, nil
	})
	if err != nil || p == nil || tries != 3 {
		t.Errorf("after %d tries: %v, %v", tries, p, err)
	}
	tries = 0
	if _, err := onFreePort(func(int) (*Process, error) { tries++; return nil, errors.New("no such option") }); err == nil || tries != 1 {
		t.Errorf("another error was tried %d times", tries)
	}
}
