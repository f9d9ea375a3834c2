package outside

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// H2Spec runs h2spec against the h2server program: in plaintext, over TLS, and with the cases that
// h2spec itself calls strict.
func H2Spec(ctx context.Context, t *Tree) []*Result {
	return []*Result{
		t.h2spec(ctx, "naru server, plaintext", nil, nil),
		t.h2spec(ctx, "naru server, TLS", []string{"--tls"}, []string{"--tls", "--insecure"}),
		t.h2spec(ctx, "naru server, plaintext, strict", nil, []string{"--strict"}),
	}
}

func (t *Tree) h2spec(ctx context.Context, role string, serverArgs, specArgs []string) *Result {
	r := &Result{Suite: "h2spec v2.2.1", Role: role}
	if r.Err = t.build(ctx, "h2spec", "h2server"); r.Err != nil {
		return r
	}
	fmt.Fprintf(t.Log, "h2spec, %s\n", role)
	began := time.Now()
	server, err := t.start(ctx, "h2server", append([]string{"--addr", "localhost:{port}"}, serverArgs...)...)
	if err != nil {
		r.Err = err
		return r
	}
	defer server.Stop()
	dir, err := os.MkdirTemp("", "h2spec")
	if err != nil {
		r.Err = err
		return r
	}
	defer os.RemoveAll(dir)
	report := filepath.Join(dir, "report.xml")
	args := append([]string{"--host", "localhost", "--port", strconv.Itoa(server.Port), "--junit-report", report}, specArgs...)
	out, err := t.run(ctx, "h2spec", args...)
	r.Took = time.Since(began)
	if perr := readH2Spec(r, report); perr != nil {
		r.Err = fmt.Errorf("%w (exit: %v)\n%s", perr, err, tail(out, 2000))
	} else if err := server.Alive(); err != nil {
		r.Err = err
	}
	return r
}

// junit is the part of h2spec's report that is read here.
type junit struct {
	Suites []struct {
		Name    string `xml:"name,attr"`
		Package string `xml:"package,attr"`
		Cases   []struct {
			Name    string    `xml:"classname,attr"`
			Skipped *struct{} `xml:"skipped"`
			Failure *string   `xml:"failure"`
			Error   *string   `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func readH2Spec(r *Result, report string) error {
	text, err := os.ReadFile(report)
	if err != nil {
		return fmt.Errorf("reading h2spec's report: %w", err)
	}
	return parseH2Spec(r, text)
}

func parseH2Spec(r *Result, text []byte) error {
	var doc junit
	if err := xml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("reading h2spec's report: %w", err)
	}
	for _, s := range doc.Suites {
		for _, c := range s.Cases {
			switch why := firstOf(c.Failure, c.Error); {
			case c.Skipped != nil:
				r.Skipped++
			case why != nil:
				r.fail("%s %s: %s\n%s", s.Package, s.Name, c.Name, strings.TrimSpace(*why))
			default:
				r.Passed++
			}
		}
	}
	return nil
}

func firstOf(ps ...*string) *string {
	for _, p := range ps {
		if p != nil {
			return p
		}
	}
	return nil
}
