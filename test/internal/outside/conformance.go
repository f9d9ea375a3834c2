package outside

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Conformance runs connectrpc's conformance suite in server and in client mode.
func Conformance(ctx context.Context, t *Tree) []*Result {
	server := t.conformance(ctx, "server", "conformanceserver", "server.yaml")
	client := t.conformance(ctx, "client", "conformanceclient", "client.yaml")
	return []*Result{server, client}
}

func (t *Tree) conformance(ctx context.Context, mode, underTest, config string) *Result {
	r := &Result{Suite: "connectrpc conformance v1.0.6", Role: "naru " + mode}
	if r.Err = t.build(ctx, "connectconformance", underTest); r.Err != nil {
		return r
	}
	fmt.Fprintf(t.Log, "connectrpc conformance, %s mode\n", mode)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	out, err := t.run(ctx, "connectconformance",
		"--conf", filepath.Join(t.Root, "test", "conformance", config),
		"--mode", mode, "--", t.path(underTest))
	r.Took = time.Since(began)
	if perr := parseConformance(r, out); perr != nil {
		r.Err = fmt.Errorf("%w (exit: %v)\n%s", perr, err, tail(out, 4000))
	} else if err != nil && r.Failed == 0 {
		r.Err = fmt.Errorf("no case failed, yet the suite ended with %w\n%s", err, tail(out, 4000))
	}
	return r
}

var (
	conformanceTotal  = regexp.MustCompile(`(?m)^Total cases: (\d+)$`)
	conformanceCounts = regexp.MustCompile(`(?m)^(\d+) passed, (\d+) failed$`)
)

// parseConformance reads the counts at the end of the suite's output and the "FAILED:" blocks
// before them.
func parseConformance(r *Result, out string) error {
	total := conformanceTotal.FindStringSubmatch(out)
	counts := conformanceCounts.FindStringSubmatch(out)
	if total == nil || counts == nil {
		return fmt.Errorf("no totals in the suite's output")
	}
	all, _ := strconv.Atoi(total[1])
	r.Passed, _ = strconv.Atoi(counts[1])
	r.Failed, _ = strconv.Atoi(counts[2])
	r.Skipped = all - r.Passed - r.Failed
	_, blocks, _ := strings.Cut("\n"+out[:strings.Index(out, total[0])], "\nFAILED: ")
	for block := range strings.SplitSeq(blocks, "\nFAILED: ") {
		if block = strings.TrimSpace(block); block != "" {
			r.Failures = append(r.Failures, block)
		}
	}
	return nil
}

// tail returns the last n bytes of s, whole lines.
func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	return "...\n" + s[strings.IndexByte(s, '\n')+1:]
}
