package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// Print writes findings one after the other, each as
//
//	shop.proto:12:17: error: field number 1 is taken
//	   12 |   string name = 1;
//	      |                 ^
//	shop.proto:11:15: note: by id, here
//	   11 |   string id = 1;
//	      |               ^
//	   hint: the next free number is 3
//
// with an empty line between findings.
func Print(w io.Writer, style cli.Style, findings []*Diagnostic) error {
	var b strings.Builder
	for i, d := range findings {
		if i > 0 {
			b.WriteByte('\n')
		}
		label := style.Error("error:")
		if d.Severity == Warning {
			label = style.Warning("warning:")
		}
		writeFinding(&b, style, d.Place, label, d.Message)
		for _, n := range d.Notes {
			if n.Place.Name() == "" {
				b.WriteString("   ")
			}
			writeFinding(&b, style, n.Place, style.Hint("note:"), n.Message)
		}
		if d.Hint != "" {
			fmt.Fprintf(&b, "   %s %s\n", style.Hint("hint:"), strings.ReplaceAll(sanitize(d.Hint), "\n", "\n         "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeFinding(b *strings.Builder, style cli.Style, p Place, label, message string) {
	switch {
	case p.Source != nil:
		line, column := p.Source.Position(p.Start)
		b.WriteString(style.Strong(fmt.Sprintf("%s:%d:%d:", sanitize(p.Source.Name), line, column)))
		b.WriteByte(' ')
	case p.File != "":
		b.WriteString(style.Strong(sanitize(p.File) + ":"))
		b.WriteByte(' ')
	}
	fmt.Fprintf(b, "%s %s\n", label, strings.ReplaceAll(sanitize(message), "\n", "\n   "))
	if p.Source != nil {
		writeExcerpt(b, style, p)
	}
}

// writeExcerpt writes the source line and the caret below it.
func writeExcerpt(b *strings.Builder, style cli.Style, p Place) {
	start, end := p.Source.lineAt(p.Start)
	if start == end && p.Start == start && start == len(p.Source.text) {
		return // the end of the file, behind its last line: nothing to show
	}
	at := min(p.Start, end)
	to := min(max(p.End, at), end)
	text := p.Source.text
	before, span, after := clip(text[start:at], text[at:to], text[to:end])
	number := fmt.Sprintf("%5d", p.Source.lineNumber(p.Start))
	fmt.Fprintf(b, "%s %s%s%s\n", style.Faint(number+" |"), sanitize(before), sanitize(span), sanitize(after))
	fmt.Fprintf(b, "%s %s%s\n", style.Faint(strings.Repeat(" ", len(number))+" |"), blank(before),
		style.Error(strings.Repeat("^", max(columns(span), 1))))
}

// blank returns white space that takes exactly the columns of s. Tabs stay tabs: both lines start
// at the same column, so a terminal moves both to the same stop.
func blank(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' {
			b.WriteByte('\t')
			continue
		}
		b.WriteString("  "[:width(visible(r))])
	}
	return b.String()
}

func columns(s string) int {
	n := 0
	for _, r := range s {
		if r == '\t' {
			n++ // tabs inside a marked stretch are rare; a short caret is good enough
			continue
		}
		n += width(visible(r))
	}
	return n
}

// sanitize makes s safe to show: valid UTF-8 and no control characters but tabs and line breaks.
func sanitize(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return r
		}
		return visible(r)
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Longest stretches of a line shown before, in and after the marked place: machine-written files
// have lines of a megabyte.
const (
	maxBefore = 70
	maxSpan   = 60
	maxAfter  = 40
)

func clip(before, span, after string) (string, string, string) {
	before, span, after = strings.ToValidUTF8(before, "\uFFFD"), strings.ToValidUTF8(span, "\uFFFD"), strings.ToValidUTF8(after, "\uFFFD")
	if over := utf8.RuneCountInString(before) - maxBefore; over > 0 {
		before = "…" + dropRunes(before, over+1)
	}
	if cut := firstRunes(span, maxSpan); cut != span {
		return before, cut, "…"
	}
	if cut := firstRunes(after, maxAfter); cut != after {
		after = cut + "…"
	}
	return before, span, after
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func dropRunes(s string, n int) string {
	return s[len(firstRunes(s, n)):]
}
