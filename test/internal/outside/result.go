package outside

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// A Result is what one suite said of naru in one role.
type Result struct {
	Suite string // "h2spec v2.2.1"
	Role  string // what ran against what: "naru server, TLS"

	Passed, Failed, Skipped int
	// Failures holds a line or more for each failed case.
	Failures []string
	// Err is set if the suite could not be run to its end; the counts are then worth nothing.
	Err  error
	Took time.Duration

	missing string // set by optional
}

// OK reports whether the suite ran to its end, ran something, and nothing failed; or was left out,
// as was allowed.
func (r *Result) OK() bool { return r.Err == nil && r.Failed == 0 && (r.Passed > 0 || r.missing != "") }

// fail counts a failed case.
func (r *Result) fail(format string, args ...any) {
	r.Failed++
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

// WriteTable writes one line per result, then every failure in full, and reports whether all
// results are OK.
func WriteTable(w io.Writer, results []*Result) bool {
	ok := true
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "suite\twhat ran\tpassed\tfailed\tskipped\ttook\t")
	for _, r := range results {
		verdict := "ok"
		if !r.OK() {
			verdict, ok = "FAILED", false
		} else if r.missing != "" {
			verdict = "LEFT OUT: " + r.missing
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n",
			r.Suite, r.Role, r.Passed, r.Failed, r.Skipped, r.Took.Round(100*time.Millisecond), verdict)
	}
	t.Flush()
	for _, r := range results {
		for _, f := range r.Failures {
			fmt.Fprintf(w, "\n%s, %s: %s\n", r.Suite, r.Role, f)
		}
		if r.Err != nil {
			fmt.Fprintf(w, "\n%s, %s: did not run to its end: %v\n", r.Suite, r.Role, r.Err)
		} else if r.Passed == 0 && r.missing == "" {
			fmt.Fprintf(w, "\n%s, %s: not one case passed\n", r.Suite, r.Role)
		}
	}
	return ok
}
