package rawproto

import (
	"fmt"
	"strings"
	"unicode"
)

// perLine is how many bytes a line shows.
const perLine = 8

// mostLines is how many lines of bytes a value is shown with, unless all of them are wanted.
const mostLines = 4

// Format writes nodes as lines: offset, bytes in hexadecimal, and what they mean. full writes every
// byte of long values.
func Format(nodes []Node, indent string, full bool) string {
	var b strings.Builder
	p := textPrinter{b: &b, full: full}
	p.nodes(nodes, indent)
	return b.String()
}

type textPrinter struct {
	b    *strings.Builder
	full bool
}

// Line writes one line of the form that Format uses.
func Line(b *strings.Builder, offset int, bytes []byte, format string, args ...any) {
	fmt.Fprintf(b, "%06x  %-*s  ", offset, 3*perLine-1, fmt.Sprintf("% x", bytes))
	text := fmt.Sprintf(format, args...)
	b.WriteString(printable(text))
	b.WriteByte('\n')
}

// printable keeps control characters from a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func (p *textPrinter) nodes(nodes []Node, indent string) {
	for i := range nodes {
		p.node(&nodes[i], indent)
	}
}

func (p *textPrinter) node(n *Node, indent string) {
	name := fmt.Sprintf("%d", n.Field)
	if n.Name != "" {
		name += " " + n.Name
	}
	problem := ""
	if n.Problem != "" {
		problem = "  ! " + n.Problem
	}
	switch {
	case n.Fields != nil || n.end != nil || n.Value == "" && len(n.value) == 0:
		Line(p.b, n.Offset, n.head, "%s%s: %s, %d bytes%s%s", indent, name, n.Type, len(n.value), guessText(n.Guesses), problem)
		p.nodes(n.Fields, indent+"  ")
		if n.end != nil {
			Line(p.b, n.Offset+n.Length-len(n.end), n.end, "%s%d: end of the group", indent, n.Field)
		}
	case len(n.head)+len(n.value) <= perLine && n.Guesses == nil:
		also := ""
		if n.Also != "" {
			also = "  (" + n.Also + ")"
		}
		Line(p.b, n.Offset, append(append([]byte(nil), n.head...), n.value...), "%s%s: %s %s%s%s", indent, name, n.Type, n.Value, also, problem)
	default:
		also := guessText(n.Guesses)
		if n.Also != "" {
			also = "  (" + n.Also + ")"
		}
		Line(p.b, n.Offset, n.head, "%s%s: %s, %d bytes%s%s", indent, name, n.Type, len(n.value), also, problem)
		p.bytes(n.Offset+len(n.head), n.value, indent+"  "+n.Value)
	}
}

// bytes writes a value's bytes, the first line with its text.
func (p *textPrinter) bytes(offset int, value []byte, text string) {
	for i := 0; i < len(value); i += perLine {
		if i == mostLines*perLine && !p.full {
			fmt.Fprintf(p.b, "        ... %d more bytes\n", len(value)-i)
			return
		}
		Line(p.b, offset+i, value[i:min(i+perLine, len(value))], "%s", text)
		text = ""
	}
}

// guessText lists guesses with their likelihoods, those below 5% left out.
func guessText(guesses []Guess) string {
	var list []string
	for _, g := range guesses {
		if percent := int(g.Likelihood*100 + 0.5); percent >= 5 {
			list = append(list, fmt.Sprintf("%s %d%%", g.Kind, percent))
		}
	}
	if len(list) < 2 {
		return ""
	}
	return "  (" + strings.Join(list, ", ") + ")"
}
