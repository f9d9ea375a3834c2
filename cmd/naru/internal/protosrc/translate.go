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
	if f.broken && err.Start().Offset >= f.brokenFrom {
		return
	}
	if f.unknownEdition || f.reports > maxReports {
		return
	}
	if f.reports++; f.reports > maxReports {
		l.list.Add(&diag.Diagnostic{Place: diag.Place{File: f.shown()}, Message: "too many errors; the rest is not shown"})
		return
	}
	// A report about two files may stand in either.
	if other := l.files[err.Start().Filename]; other != nil && other.src != nil {
		f = other
	}
	d := &diag.Diagnostic{Severity: severity, Place: diag.Place{File: f.shown()}}
	if f.src != nil {
		d.Place = f.src.Place(span(err))
	}
	d.Message = f.original(err.Unwrap().Error())
	if strings.Contains(d.Message, "unexpected error") {
		return // the parser's echo of a report of its lexer
	}
	var unused linker.ErrorUnusedImport
	switch {
	case errors.Is(err, parser.ErrNoSyntax):
		d.Place = f.src.Place(0, 0)
		d.Message = "the file does not say which syntax it is in; taken as proto2"
		d.Hint = `start it with: syntax = "proto3";`
	case errors.As(err, &unused):
		d.Message = "unused import " + strconv.Quote(unused.UnusedImport())
	default:
		if !l.rewrite(f, d) {
			return
		}
	}
	l.list.Add(d)
}

// maxReports bounds the findings per file. Nobody reads more, and some cost a walk over the file.
const maxReports = 500

// shown returns the name of f as diagnostics spell it.
func (f *source) shown() string {
	if f.src != nil {
		return f.src.Name
	}
	return f.name
}

// unknownName matches reports of names that were not found.
var unknownName = regexp.MustCompile(`unknown (extendee )?(type|extension|request type|response type)|could not resolve|unrecognized extension`)

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

// rewrites are the reports worth better words, tried in order. Each gets the submatches of its
// pattern and reports whether the report is worth showing at all.
var rewrites = []struct {
	pattern *regexp.Regexp
	apply   func(l *loader, f *source, d *diag.Diagnostic, m []string) bool
}{
	{regexp.MustCompile(`^syntax error: (.*)$`), rewriteSyntax},
	{regexp.MustCompile(`^symbol "([^"]+)" already defined(| as a package) at (.+?):(\d+):(\d+)(.*)$`), rewriteSymbol},
	{regexp.MustCompile(`^edition value ("[^"]*") not recognized`), rewriteEdition},
	{regexp.MustCompile(`^field (\S+): missing field tag number$`), rewriteNoNumber},
	{regexp.MustCompile(`^message (\S+): field (\S+) is using tag (\d+) which is in reserved range (\d+) to (\d+)$`), rewriteReserved},
	{regexp.MustCompile(`^(?:message|enum) (\S+): (?:field|value) (\S+) is using a reserved name$`), rewriteReservedName},
	{regexp.MustCompile(`^encountered end-of-line before end of string literal$`), rewriteOpenString},
	{regexp.MustCompile(`^message (\S+): fields (\S+) and (\S+) both have the same tag (\d+)$`), rewriteFieldNumber},
	{regexp.MustCompile(`^enum (\S+): values (\S+) and (\S+) both have the same numeric value (-?\d+);`), rewriteEnumNumber},
	{regexp.MustCompile(`^extension with tag (\d+) for message (\S+) already defined at (.+?):(\d+):(\d+)$`), rewriteExtensionNumber},
	{regexp.MustCompile(`^tag number (\d+) (?:must be greater|is in disallowed|is higher than)`), rewriteTag},
	{regexp.MustCompile(`unknown extension (\S+)$`), rewriteUnknownExtension},
	{regexp.MustCompile(`unrecognized extension \S+ of \S+$`), rewriteUnrecognized},
	{regexp.MustCompile(`^(.*: )?field (\S+) of (\S+) does not exist$`), rewriteNoOption},
	{regexp.MustCompile(`^(.*)option (\S+): enum (\S+) has no value named (\S+)$`), rewriteNoValue},
	{regexp.MustCompile(`^(.*)option (\S+): non-repeated option field \S+ already set$`), rewriteSetTwice},
	{regexp.MustCompile(`unknown (?:extendee type|type|request type|response type) (\S+?)(?:;|$)`), rewriteUnknownType},
	{regexp.MustCompile(`^(.*?),? ?(?:defined |declared )?at (.+?):(\d+):(\d+)$`), rewriteAt},
}

func (l *loader) rewrite(f *source, d *diag.Diagnostic) (keep bool) {
	for _, r := range rewrites {
		if m := r.pattern.FindStringSubmatch(d.Message); m != nil {
			return r.apply(l, f, d, m)
		}
	}
	return true
}

func rewriteSyntax(_ *loader, f *source, d *diag.Diagnostic, m []string) bool {
	d.Message = strings.ReplaceAll(m[1], "expecting", "expected")
	at := d.Place.Start
	if strings.HasPrefix(d.Message, "expected ';'") {
		// The parser notices at the next token, which may be lines away. What lacks is behind the
		// last one.
		end := lastToken(f.scan.text[:at])
		d.Place = f.src.Place(end, end)
		return true
	}
	if d.Message == "unexpected '='" {
		d.Hint = "a field is: type name = number;"
	}
	token := word.FindString(f.src.Text()[at:])
	if token == "" || !strings.HasPrefix(f.src.Text()[at:], token) {
		return true
	}
	d.Place = f.src.Place(at, at+len(token))
	if strings.HasSuffix(strings.TrimRight(f.scan.text[:at], " \t\r\n"), "<") {
		d.Hint = "the key of a map is an integer type, bool or string"
	}
	d.Message = strings.Replace(d.Message, "unexpected identifier", "unexpected "+strconv.Quote(token), 1)
	return true
}

// lastToken returns the offset behind the last token of a text.
func lastToken(text string) int {
	end := 0
	for pos := 0; pos < len(text); {
		next := pos + 1
		switch rest := text[pos:]; {
		case strings.HasPrefix(rest, "//"):
			pos += skipPast(rest, "\n", 2)
			continue
		case strings.HasPrefix(rest, "/*"):
			pos += skipPast(rest, "*/", 2)
			continue
		case rest[0] == '"' || rest[0] == '\'':
			next = pos + skipString(rest)
			end = next
		case !strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])):
			end = next
		}
		pos = next
	}
	return end
}

func rewriteSymbol(l *loader, _ *source, d *diag.Diagnostic, m []string) bool {
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
	return true
}

func rewriteAt(l *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	if p, ok := l.place(m[2], m[3], m[4]); ok {
		d.Message = m[1]
		d.Notes = append(d.Notes, diag.Note{Place: p, Message: "the other place"})
	}
	return true
}
