package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/test/bench/echo"
)

func TestRatioIsTheMedianOfPairs(t *testing.T) {
	r := &result{row: row{work: "w", unit: "calls/s"}, naru: []float64{100, 10, 300}}
	// Round by round 4, 0.5 and 3; the median of the figures would give 100/25.
	p := &peerResult{peer: peer{echo.GRPCGo, 3}, values: []float64{25, 20, 100}}
	if got := r.ratio(p); got != 3 {
		t.Errorf("ratio %v, want 3", got)
	}
	r.peers = []peerResult{*p}
	if l := r.lines()[0]; l.met != "yes" || l.target != ">= 3x" || l.ratio != "3.00" {
		t.Errorf("got %+v, want a target of at least 3 that is met", l)
	}
	r.peers[0].target = 3.1
	if l := r.lines()[0]; l.met != "no" {
		t.Errorf("got %+v, want a missed target", l)
	}
}

func TestLowerIsBetter(t *testing.T) {
	r := &result{row: row{work: "w", unit: "KB", lower: true, own: 8}, naru: []float64{7.5, 9, 7}}
	r.peers = []peerResult{{peer: peer{echo.GRPCGo, 0.7}, values: []float64{15, 9, 14}}}
	lines := r.lines()
	if len(lines) != 2 || lines[0].target != "<= 8 KB" || lines[0].met != "yes" || lines[1].met != "yes" || lines[1].ratio != "0.50" {
		t.Errorf("got %+v, want 7.5 of at most 8 and half of the peer's", lines)
	}
}

func TestFailuresStayInTheTable(t *testing.T) {
	r := &result{row: row{work: "w"}, failure: errors.New("no server\nmore")}
	if l := r.lines(); len(l) != 1 || l[0].met != "no" || !strings.Contains(l[0].peer, "no server") || strings.Contains(l[0].peer, "more") {
		t.Errorf("got %+v, want one missed line with the reason's first line", l)
	}
	r = &result{row: row{work: "w"}, naru: []float64{1}}
	r.peers = []peerResult{{peer: peer{echo.CPP, 2}, skipped: errors.New("not installed")}}
	if l := r.lines()[0]; l.met != "" || !strings.Contains(l.peer, "not installed") {
		t.Errorf("got %+v, want the reason and no verdict", l)
	}
}

func TestFigures(t *testing.T) {
	for _, tc := range []struct {
		v          float64
		unit, want string
	}{
		{233456.7, "calls/s", "233,457 calls/s"}, {1234567, "", "1,234,567"}, {999.4, "us", "999 us"},
		{7.654, "KB", "7.65 KB"}, {70, "%", "70%"}, {8, "", "8"},
	} {
		if got := figure(tc.v, tc.unit); got != tc.want {
			t.Errorf("figure(%v, %q) = %q, want %q", tc.v, tc.unit, got, tc.want)
		}
	}
}

func TestTableGoesBetweenTheMarks(t *testing.T) {
	old := "head\n" + beginMark + "\nold\n" + endMark + "\ntail\n"
	got, err := between(old, "new\n", beginMark, endMark)
	if err != nil || strings.Contains(got, "old") || !strings.Contains(got, "new") ||
		!strings.HasPrefix(got, "head\n") || !strings.HasSuffix(got, "\ntail\n") {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := between(got, "new\n", beginMark, endMark); err != nil || again != got {
		t.Errorf("a second run changed the page: %q, %v", again, err)
	}
	if _, err := between("no marks", "new", beginMark, endMark); err == nil {
		t.Error("a page without marks was accepted")
	}
}

func TestParseH2load(t *testing.T) {
	const out = `starting benchmark...
finished in 5.01s, 65432.10 req/s, 5.11MB/s
requests: 327160 total, 327260 started, 327160 done, 327160 succeeded, 0 failed, 0 errored, 0 timeout
`
	if got, err := parseH2load(out); err != nil || got != 65432.10 {
		t.Errorf("got %v, %v, want 65432.1", got, err)
	}
	for _, bad := range []string{"", strings.Replace(out, "327160 succeeded, 0 failed", "0 succeeded, 327160 failed", 1)} {
		if got, err := parseH2load(bad); err == nil {
			t.Errorf("got %v from %q, want an error", got, bad)
		}
	}
}

func TestRowsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	quick, headlines := 0, 0
	for _, r := range rows() {
		if r.work == "" || r.measure == nil || seen[r.work] {
			t.Errorf("row %q has no measure, or its text is there twice", r.work)
		}
		seen[r.work] = true
		if r.quick {
			quick++
		}
		if r.headline {
			headlines++
		}
	}
	if headlines != 11 {
		t.Errorf("%d rows are shown in README.md, want 11: was one renamed?", headlines)
	}
	if quick < 10 {
		t.Errorf("%d rows in the quick run, want at least 10", quick)
	}
}
