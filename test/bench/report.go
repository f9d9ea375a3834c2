package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/naru-rpc/naru/test/bench/echo"
)

// report collects the rows of a run.
type report struct {
	machine  machine
	rounds   int
	duration time.Duration
	results  []*result
}

func (r *report) add(res *result) { r.results = append(r.results, res) }

// A line of the table compares naru with one peer, or with its own target.
type line struct{ work, naru, peer, ratio, target, met string }

func (l line) text() string {
	return fmt.Sprintf("%-72s  naru %-14s %-26s %-8s %-10s %s", l.work, l.naru, l.peer, l.ratio, l.target, l.met)
}

// lines turns a result into one line for an own target and one per peer.
func (r *result) lines() []line {
	if r.failure != nil {
		return []line{{work: r.work, naru: "-", peer: "naru failed: " + shorten(r.failure), met: "no"}}
	}
	var lines []line
	sign := ">= "
	if r.lower {
		sign = "<= "
	}
	mine := median(r.naru)
	if r.own > 0 {
		lines = append(lines, line{work: r.work, naru: figure(mine, r.unit),
			target: sign + figure(r.own, r.unit), met: yesNo(r.met(mine, r.own))})
	}
	for i := range r.peers {
		p := &r.peers[i]
		l := line{work: r.work, naru: figure(mine, r.unit)}
		if p.skipped != nil {
			l.peer = string(p.impl) + ": " + shorten(p.skipped)
			lines = append(lines, l)
			continue
		}
		l.peer = string(p.impl) + " " + figure(median(p.values), r.unit)
		ratio := r.ratio(p)
		l.ratio = fmt.Sprintf("%.2f", ratio)
		if p.target > 0 {
			l.target = fmt.Sprintf("%s%.3gx", sign, p.target)
			l.met = yesNo(r.row.met(ratio, p.target))
		}
		lines = append(lines, l)
	}
	return lines
}

func yesNo(met bool) string {
	if met {
		return "yes"
	}
	return "no"
}

// figure prints a number with three digits and thousands set off.
func figure(v float64, unit string) string {
	var text string
	switch {
	case v >= 1000:
		text = thousands(int64(v + 0.5))
	case v >= 100:
		text = fmt.Sprintf("%.0f", v)
	default:
		text = fmt.Sprintf("%.3g", v)
	}
	switch unit {
	case "":
		return text
	case "%", "x":
		return text + unit
	}
	return text + " " + unit
}

func thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// markdown is the table for docs/performance.md.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.machine.markdown())
	fmt.Fprintf(&b, "%d rounds of %v each; ratio is the median over the rounds of naru / peer.\n\n", r.rounds, r.duration)
	b.WriteString("| work | naru | peer | ratio | target | met |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, res := range r.results {
		for _, l := range res.lines() {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", l.work, l.naru, l.peer, l.ratio, l.target, l.met)
		}
	}
	return b.String()
}

// headlines is the short table for README.md: the rows that are marked for it, against the
// peers a target is set for.
func (r *report) headlines() string {
	var b strings.Builder
	b.WriteString("| work | naru | grpc-go | ratio |\n| --- | --- | --- | --- |\n")
	for _, res := range r.results {
		if !res.headline || res.failure != nil {
			continue
		}
		for i := range res.peers {
			p := &res.peers[i]
			if p.impl == echo.GRPCGo && p.skipped == nil {
				fmt.Fprintf(&b, "| %s | %s | %s | %.2f |\n", res.work, figure(median(res.naru), res.unit),
					figure(median(p.values), res.unit), res.ratio(p))
			}
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.machine.markdown())
	return b.String()
}

// The marks in a page between which the table stands.
const (
	beginMark       = "<!-- table: begin, written by make bench -->"
	endMark         = "<!-- table: end -->"
	beginGrowthMark = "<!-- growth: begin, written by make bench -->"
	endGrowthMark   = "<!-- growth: end -->"
)

func (r *report) save(s *settings) error {
	if s.keep != "" {
		if err := r.saveJSON(s.keep); err != nil {
			return err
		}
	}
	for path, table := range map[string]string{s.write: r.markdown(), s.readme: r.headlines()} {
		if path == "" {
			continue
		}
		if err := replaceTable(path, table, beginMark, endMark); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) reportGrowth(ctx context.Context) error {
	m := describeMachine(b)
	fmt.Println(m)
	table, err := b.measureGrowth(ctx)
	if err != nil || b.write == "" {
		return err
	}
	return replaceTable(b.write, m.markdown()+"\n\n"+table, beginGrowthMark, endGrowthMark)
}

// replaceTable writes a table between two marks of a page.
func replaceTable(path, table, begin, end string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := between(string(old), table, begin, end)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// between replaces what stands between the two marks.
func between(old, table, begin, end string) (string, error) {
	head, rest, ok := strings.Cut(old, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("the marks %q and %q are not there", begin, end)
	}
	return head + begin + "\n\n" + table + "\n" + end + tail, nil
}

func (r *report) saveJSON(path string) error {
	type peerJSON struct {
		Impl    string    `json:"impl"`
		Values  []float64 `json:"values"`
		Ratio   float64   `json:"ratio"`
		Target  float64   `json:"target,omitempty"`
		Skipped string    `json:"skipped,omitempty"`
	}
	type rowJSON struct {
		Work   string     `json:"work"`
		Unit   string     `json:"unit"`
		Naru   []float64  `json:"naru"`
		Target float64    `json:"target,omitempty"`
		Error  string     `json:"error,omitempty"`
		Peers  []peerJSON `json:"peers"`
	}
	out := struct {
		Machine machine   `json:"machine"`
		Rows    []rowJSON `json:"rows"`
	}{Machine: r.machine}
	for _, res := range r.results {
		row := rowJSON{Work: res.work, Unit: res.unit, Naru: res.naru, Target: res.own}
		if res.failure != nil {
			row.Error = res.failure.Error()
		}
		for i := range res.peers {
			p := &res.peers[i]
			pj := peerJSON{Impl: string(p.impl), Values: p.values, Ratio: res.ratio(p), Target: p.target}
			if p.skipped != nil {
				pj.Skipped = p.skipped.Error()
			}
			row.Peers = append(row.Peers, pj)
		}
		out.Rows = append(out.Rows, row)
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
