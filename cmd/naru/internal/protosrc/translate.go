package protosrc

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

// reporter returns what takes the parser's and linker's reports about f. It never ends a run early.
func (l *loader) reporter(f *source) reporter.Reporter {
	return reporter.NewReporter(
		func(err reporter.ErrorWithPos) error { l.report(f, diag.Error, err); return nil },
		func(err reporter.ErrorWithPos) { l.report(f, diag.Warning, err) },
	)
}

func (l *loader) report(f *source, severity diag.Severity, err reporter.ErrorWithPos) {
	if f.partial && unknownName.MatchString(err.Unwrap().Error()) {
		return // it may be in the file that was not found
	}
	// A report about two files may stand in either.
	if other := l.files[err.Start().Filename]; other != nil && other.src != nil {
		f = other
	}
	d := &diag.Diagnostic{Severity: severity, Place: diag.Place{File: f.name}}
	if f.src != nil {
		d.Place = f.src.Place(span(err))
	}
	d.Message = f.original(err.Unwrap().Error())
	var unused linker.ErrorUnusedImport
	switch {
	case errors.Is(err, parser.ErrNoSyntax):
		d.Place = f.src.Place(0, 0)
		d.Message = "the file does not say which syntax it is in; taken as proto2"
		d.Hint = `start it with: syntax = "proto3";`
	case errors.As(err, &unused):
		d.Message = "unused import " + strconv.Quote(unused.UnusedImport())
	default:
		l.rewrite(f, d)
	}
	l.list.Add(d)
}

// unknownName matches reports of names that were not found.
var unknownName = regexp.MustCompile(`unknown (extendee )?(type|extension|request type|response type)|could not resolve`)

// original puts identifiers back in place of their stand-ins.
func (f *source) original(message string) string {
	if len(f.scan.names) == 0 {
		return message
	}
	return word.ReplaceAllStringFunc(message, func(w string) string {
		if name, ok := f.scan.names[w]; ok {
			return name
		}
		return w
	})
}

var word = regexp.MustCompile(`[A-Za-z0-9_]+`)

// place finds "file:line:column" of a report. Columns there count as descriptors' do.
func (l *loader) place(file, line, column string) (diag.Place, bool) {
	f := l.files[file]
	if f == nil || f.src == nil {
		return diag.Place{File: file}, f != nil
	}
	n, err1 := strconv.Atoi(line)
	col, err2 := strconv.Atoi(column)
	if err1 != nil || err2 != nil {
		return diag.Place{}, false
	}
	at := f.src.Offset(n-1, col-1)
	return f.src.Place(at, at+len(word.FindString(f.src.Text()[at:]))), true
}

// rewrites are the reports worth better words, tried in order. Each gets the submatches of its pattern.
var rewrites = []struct {
	pattern *regexp.Regexp
	apply   func(l *loader, f *source, d *diag.Diagnostic, m []string)
}{
	{regexp.MustCompile(`^syntax error: (.*)$`), rewriteSyntax},
	{regexp.MustCompile(`^symbol "([^"]+)" already defined(| as a package) at (\S+?):(\d+):(\d+)(.*)$`), rewriteSymbol},
	{regexp.MustCompile(`^message (\S+): fields (\S+) and (\S+) both have the same tag (\d+)$`), rewriteFieldNumber},
	{regexp.MustCompile(`^enum (\S+): values (\S+) and (\S+) both have the same numeric value (-?\d+);`), rewriteEnumNumber},
	{regexp.MustCompile(`unknown (?:extendee type|type|request type|response type) (\S+?)(?:;|$)`), rewriteUnknownType},
	{regexp.MustCompile(`^(.*?),? ?(?:defined |declared )?at (\S+?):(\d+):(\d+)$`), rewriteAt},
}

func (l *loader) rewrite(f *source, d *diag.Diagnostic) {
	for _, r := range rewrites {
		if m := r.pattern.FindStringSubmatch(d.Message); m != nil {
			r.apply(l, f, d, m)
			return
		}
	}
}

func rewriteSyntax(_ *loader, _ *source, d *diag.Diagnostic, m []string) {
	d.Message = strings.NewReplacer("expecting", "expected").Replace(m[1])
}

func rewriteSymbol(l *loader, _ *source, d *diag.Diagnostic, m []string) {
	d.Message = strconv.Quote(m[1]) + " is defined twice"
	if m[2] != "" {
		d.Message = strconv.Quote(m[1]) + " is the name of a package already"
	}
	if p, ok := l.place(m[3], m[4], m[5]); ok {
		d.Notes = append(d.Notes, diag.Note{Place: p, Message: "the other definition"})
	}
	if strings.Contains(m[6], "C++ scoping") {
		d.Hint = "values of an enum live beside the enum, not inside it: names have to differ between enums of a scope"
	}
}

func rewriteAt(l *loader, _ *source, d *diag.Diagnostic, m []string) {
	if p, ok := l.place(m[2], m[3], m[4]); ok {
		d.Message = m[1]
		d.Notes = append(d.Notes, diag.Note{Place: p, Message: "the other place"})
	}
}
