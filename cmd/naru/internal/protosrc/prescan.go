package protosrc

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

// The language takes only ASCII outside comments and strings. The parser's lexer would report every
// byte or character of anything else on its own; the pre-scan reports each thing once, in words,
// and hands the parser a text of the same length with stand-ins, so that the rest of the file is
// still checked in the same run and every offset stays right.

// prescanned is a file's text after the pre-scan.
type prescanned struct {
	// text has the length of the original, and ASCII only outside comments and strings.
	text string
	// names maps stand-ins to the identifiers they stand for, for messages that quote them.
	names map[string]string
	// unreadable: the file is not text the parser could make sense of.
	unreadable bool
}

// prescan looks through src and adds what it finds to list.
func prescan(src *diag.Source, list *diag.List) prescanned {
	text := src.Text()
	if d := checkEncoding(src); d != nil {
		list.Add(d)
		return prescanned{unreadable: true}
	}
	if isASCII(text) {
		return prescanned{text: text}
	}
	s := newScanner(src)
	s.run()
	for i, id := range s.order {
		d := id.diagnostic(src)
		if i == 0 && d.Hint == "" { // the same for all
			d.Hint = "give it an ASCII name; comments and strings may say the rest in any script"
		}
		list.Add(d)
	}
	for _, d := range s.strays {
		list.Add(d)
	}
	return prescanned{text: string(s.out), names: s.standIns}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkEncoding returns one finding for a file that is not UTF-8. Everything else about such a file
// would be noise; it includes comments, as they are copied into the generated code, which has to be
// UTF-8.
func checkEncoding(src *diag.Source) *diag.Diagnostic {
	text := src.Text()
	if strings.HasPrefix(text, "\xFF\xFE") || strings.HasPrefix(text, "\xFE\xFF") {
		return &diag.Diagnostic{
			Place:   diag.Place{File: src.Name},
			Message: "the file is UTF-16; a .proto file has to be UTF-8",
			Hint:    "convert it: iconv -f UTF-16 -t UTF-8",
		}
	}
	if utf8.ValidString(text) {
		return nil
	}
	bad := 0
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			bad = i
			break
		}
	}
	return &diag.Diagnostic{
		Place:   src.Place(bad, bad+1),
		Message: fmt.Sprintf("byte 0x%02X is not UTF-8", text[bad]),
		Hint:    "find out the file's encoding and convert it; Korean Windows: iconv -f CP949 -t UTF-8",
	}
}

// identifier is a non-ASCII identifier of a file with its occurrences.
type identifier struct {
	name   string
	places []int
}

func (id *identifier) diagnostic(src *diag.Source) *diag.Diagnostic {
	first := id.places[0]
	d := &diag.Diagnostic{
		Place:   src.Place(first, first+len(id.name)),
		Message: fmt.Sprintf("identifier %q: only ASCII letters, digits and _ make an identifier", id.name),
	}
	if ascii := folded(id.name); ascii != "" {
		d.Hint = "in ASCII: " + ascii
	}
	if more := len(id.places) - 1; more > 0 {
		d.Notes = append(d.Notes, diag.Note{Message: "used again " + times(more) + ", on " + lines(src, id.places[1:])})
	}
	return d
}

// folded returns an identifier typed in fullwidth letters in ASCII; "" if it has others too.
func folded(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case isWord(r) && meant(r) != 0:
			b.WriteByte(meant(r))
		default:
			return ""
		}
	}
	return b.String()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// lines lists the lines of offsets, the first few by number.
func lines(src *diag.Source, offsets []int) string {
	const most = 8
	var numbers []string
	last := 0
	for _, off := range offsets {
		line, _ := src.Position(off)
		if line == last {
			continue
		}
		last = line
		if len(numbers) == most {
			numbers = append(numbers, "…")
			break
		}
		numbers = append(numbers, fmt.Sprint(line))
	}
	if len(numbers) == 1 {
		return "line " + numbers[0]
	}
	return "lines " + strings.Join(numbers, ", ")
}

// lookalikes are characters that input methods and word processors put where ASCII was meant.
var lookalikes = map[rune]byte{
	'\u00A0': ' ', '\u2007': ' ', '\u202F': ' ', '\u3000': ' ', '\uFEFF': ' ', '\u200B': ' ', '\u2060': ' ',
	'\u2010': '-', '\u2011': '-', '\u2012': '-', '\u2013': '-', '\u2014': '-', '\u2212': '-',
	'\u037E': ';', '\u3002': '.', '\u00B7': '.', '\u2044': '/',
	'\u2018': '\'', '\u2019': '\'', '\u201C': '"', '\u201D': '"',
}

// meant returns the ASCII character r looks like, 0 for none.
func meant(r rune) byte {
	if r >= 0xFF01 && r <= 0xFF5E { // fullwidth forms mirror ASCII from '!' on
		return byte(r - 0xFF01 + '!')
	}
	return lookalikes[r]
}

// isWord reports whether r may be part of an identifier in any script.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r)
}
