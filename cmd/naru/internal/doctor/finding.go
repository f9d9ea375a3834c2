package doctor

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// verdict is what a check came to.
type verdict string

// Verdicts, from good to bad. A note is worth knowing and no fault.
const (
	good    verdict = "ok"
	note    verdict = "note"
	skipped verdict = "skipped"
	warning verdict = "warning"
	failure verdict = "failure"
)

// finding is one line of the report.
type finding struct {
	Check    string  `json:"check"`
	Verdict  verdict `json:"verdict"`
	Evidence string  `json:"evidence"`
	Advice   string  `json:"advice,omitempty"`
}

// report collects findings and prints each as it comes.
type report struct {
	env      *cli.Env
	target   string
	asJSON   bool
	findings []finding
	err      error // the first error of stdout
}

// add reports one finding. What peers sent is in evidence, so that control characters are taken out
// of it.
func (r *report) add(check string, v verdict, advice, format string, args ...any) {
	f := finding{Check: check, Verdict: v, Evidence: cli.Printable(fmt.Sprintf(format, args...)), Advice: advice}
	r.findings = append(r.findings, f)
	if r.asJSON || r.err != nil {
		return
	}
	_, r.err = r.env.Stdout.Write([]byte(r.text(f)))
}

// text is a finding for people: a line, and one below it for what to do.
func (r *report) text(f finding) string {
	style := cli.NewStyle(r.env.ColorOut)
	word := fmt.Sprintf("%-7s", f.Verdict)
	switch f.Verdict {
	case good:
		word = style.Good(word)
	case warning:
		word = style.Warning(word)
	case failure:
		word = style.Error(word)
	case note, skipped:
		word = style.Faint(word)
	}
	line := fmt.Sprintf("%s  %-12s  %s\n", word, f.Check, f.Evidence)
	if f.Advice != "" {
		line += strings.Repeat(" ", 23) + style.Hint("-> ") + f.Advice + "\n"
	}
	return line
}

func (r *report) count(v verdict) int {
	n := 0
	for _, f := range r.findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// finish writes the end of the report and returns the verb's error.
func (r *report) finish() error {
	failures, warnings := r.count(failure), r.count(warning)
	if r.asJSON {
		r.err = json.NewEncoder(r.env.Stdout).Encode(map[string]any{
			"target": r.target, "findings": r.findings, "failures": failures, "warnings": warnings,
		})
	} else if r.err == nil {
		_, r.err = fmt.Fprintf(r.env.Stdout, "\n%s: %s, %s\n", r.target, plural(failures, "failure"), plural(warnings, "warning"))
	}
	if r.err != nil {
		return r.err
	}
	if failures > 0 {
		return cli.Reported(cli.ExitFailed)
	}
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
