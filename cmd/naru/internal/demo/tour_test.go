package demo_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestTour compares the whole tour with testdata/tour.txt, but for what differs from run to run.
func TestTour(t *testing.T) {
	s := start(t, "--tour")
	if code := s.wait(); code != 0 || s.stderr.String() != "" {
		t.Fatalf("exit code %d, stderr:\n%s", code, s.stderr)
	}
	for line := range strings.Lines(s.stdout.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns, want at most 80: %s", n, line)
		}
	}
	got := steady(s.stdout.String())
	golden := filepath.Join("testdata", "tour.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the tour differs from %s (-want +got); -update rewrites it\n%s", golden, diff)
	}
}

// volatile are the parts of the tour that differ from run to run, and what they are replaced with.
var volatile = []struct {
	part *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`(HEADERS +stream \d+ +)\d+ bytes`), "${1}N bytes"}, // the port's digits are in them
	{regexp.MustCompile(`grpc-timeout: \d+\w`), "grpc-timeout: TIME"},
	{regexp.MustCompile(`\(id [A-Z2-7]{26}\)`), "(id ID)"},
	{regexp.MustCompile(`user-agent: \S+`), "user-agent: USER-AGENT"},
	{regexp.MustCompile(`(All of it went over 1 connection:)[^$]*`), "$1 ...\n"},
	// When the deadline passes, client and server end the call on their own, and either may be
	// first.
	{regexp.MustCompile(`(?s)(stream 13 [^\n]*\n        grpc-timeout: [^\n]*\n).*?\n\n`), "$1  ...\n\n"},
	{regexp.MustCompile(`(?s)(= client: DEADLINE_EXCEEDED: ).*?\n\n`), "$1...\n\n"},
	{regexp.MustCompile(`(?s)(= client: CANCELLED: ).*?\n  = `), "$1...\n  = "},
}

// steady replaces the volatile parts, and makes one of DATA frames that follow each other: how many
// messages go into one is a matter of timing.
func steady(text string) string {
	for _, v := range volatile {
		text = v.part.ReplaceAllString(text, v.with)
	}
	data := regexp.MustCompile(`^  (-->|<--) DATA +stream (\d+) +[\d,]+ bytes?(?: · (?:message|\d+ messages) of (.*?))?( · END_STREAM)?$`)
	var lines []string
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		m := data.FindStringSubmatch(line)
		if m == nil {
			last, lines = "", append(lines, line)
			continue
		}
		if key := m[1] + m[2]; key != last {
			last, lines = key, append(lines, "  "+m[1]+" DATA stream "+m[2])
		}
		end := &lines[len(lines)-1]
		if m[3] != "" {
			*end += " · " + strings.ReplaceAll(m[3], ", ", " · ")
		}
		*end += m[4]
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestTourUsesTheDataGiven: a tour of a shop with orders of one's own leaves its traces there.
func TestTourUsesTheDataGiven(t *testing.T) {
	file := filepath.Join(t.TempDir(), "orders.db")
	for range 2 { // the second finds what the first has changed
		if code := start(t, "--tour", "--data", file).wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	s := start(t, "--addr", "127.0.0.1:0", "--data", file)
	if order, err := getOrder(t, dial(t, s.target()), "107"); err != nil || len(order.GetDescription()) < 1000 {
		t.Errorf("the order of the compression step: %v, %v", order, err)
	}
	s.end(0, "Goodbye")
}
