package tour

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is how many columns the tour's lines have at most.
const width = 80

// indent is where everything but titles starts.
const indent = "  "

// Escape sequences of ANSI X3.64, which every terminal that says it has colours knows.
const (
	strong   = "1"
	faint    = "2"
	sent     = "36" // cyan
	received = "33" // yellow
	good     = "32" // green
)

// printer writes the tour's text: wrapped, indented, and coloured if wanted. After a failed write
// it writes nothing more and keeps the error.
type printer struct {
	// immutable
	out   io.Writer
	color bool

	// owned by the tour's goroutine
	err error
}

// paint returns text in a colour. What it returns is not measured by the functions below: paint
// last.
func (p *printer) paint(code, text string) string {
	if !p.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// line writes one line, as it is.
func (p *printer) line(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.out, strings.TrimRight(text, " ")+"\n")
	}
}

func (p *printer) blank() { p.line("") }

// title writes the line that starts a step.
func (p *printer) title(n, of int, text string) {
	head := fmt.Sprintf("── %d/%d  %s ", n, of, text)
	p.blank()
	p.line(p.paint(strong, head+strings.Repeat("─", max(0, width-utf8.RuneCountInString(head)))))
	p.blank()
}

// text writes a paragraph, wrapped.
func (p *printer) text(text string) {
	for _, l := range wrap(strings.Fields(text), " ", width-len(indent)) {
		p.line(indent + l)
	}
}

// code writes lines of Go.
func (p *printer) code(text string) {
	p.blank()
	for l := range strings.Lines(strings.Trim(text, "\n")) {
		p.line(indent + indent + p.paint(strong, strings.TrimRight(strings.ReplaceAll(l, "\t", "    "), "\n")))
	}
	p.blank()
}

// results writes what the program got, each on lines of its own.
func (p *printer) results(texts []string) {
	if len(texts) > 0 {
		p.blank()
	}
	for _, text := range texts {
		mark := p.paint(good, "= ")
		for _, l := range wrap(strings.Split(text, " "), " ", width-len(indent)-2) {
			p.line(indent + mark + l)
			mark = "  "
		}
	}
}

// wrap puts words on lines of at most columns, with sep between two of a line. A word that is
// longer has a line of its own.
func wrap(words []string, sep string, columns int) []string {
	var lines []string
	line, used := "", 0
	for _, w := range words {
		n := utf8.RuneCountInString(w)
		if line != "" && used+len(sep)+n > columns {
			lines, line, used = append(lines, line), "", 0
		}
		if line != "" {
			line, used = line+sep, used+len(sep)
		}
		line, used = line+w, used+n
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// chop cuts text into lines of columns, at most two; an ellipsis shows that there was more.
func chop(text string, columns int) []string {
	r := []rune(text)
	switch {
	case len(r) <= columns:
		return []string{text}
	case len(r) <= 2*columns:
		return []string{string(r[:columns]), string(r[columns:])}
	default:
		return []string{string(r[:columns]), string(r[columns:2*columns-1]) + "…"}
	}
}

// number writes n with a comma between thousands.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes a number and its noun, in the plural unless it is one.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}
