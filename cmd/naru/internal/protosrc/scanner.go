package protosrc

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

// scanner walks over the text of one file, past comments and strings. Used by one goroutine, once.
type scanner struct {
	src      *diag.Source
	text     string
	pos      int
	out      []byte                 // text with stand-ins
	words    map[string]bool        // ASCII identifiers
	seen     map[string]*identifier // the others
	order    []*identifier          // the same in order of appearance
	standIns map[string]string      // stand-in: identifier
	strays   []*diag.Diagnostic
	reported map[rune]bool
}

func newScanner(src *diag.Source) *scanner {
	return &scanner{
		src:      src,
		text:     src.Text(),
		out:      []byte(src.Text()),
		words:    map[string]bool{},
		seen:     map[string]*identifier{},
		standIns: map[string]string{},
		reported: map[rune]bool{},
	}
}

func (s *scanner) run() {
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case strings.HasPrefix(rest, "//"):
			s.pos += skipPast(rest, "\n", 2)
		case strings.HasPrefix(rest, "/*"):
			s.pos += skipPast(rest, "*/", 2)
		case r == '"' || r == '\'':
			s.pos += skipString(rest)
		case r == '\u201C' || r == '\u2018':
			s.smartString(r)
		case isWord(r):
			s.word()
		case r >= utf8.RuneSelf:
			s.stray(r, size)
		default:
			s.pos += size
		}
	}
	for _, id := range s.order {
		in := folded(id.name)
		if in == "" {
			in = s.standIn(id.name)
		}
		in += strings.Repeat(" ", len(id.name)-len(in))
		for _, start := range id.places {
			copy(s.out[start:], in)
		}
	}
}

// skipPast returns the offset in text behind the first occurrence of end from an offset on, or its
// length.
func skipPast(text, end string, from int) int {
	if i := strings.Index(text[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(text)
}

// skipString returns the offset behind the string that text starts with. A string ends at its
// line's end at the latest, as for the parser.
func skipString(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case text[0]:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(text)
}

// word reads a whole identifier and, if it is not ASCII, notes it.
func (s *scanner) word() {
	start := s.pos
	ascii := true
	for s.pos < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.text[s.pos:])
		if !isWord(r) {
			break
		}
		ascii = ascii && r < utf8.RuneSelf
		s.pos += size
	}
	name := s.text[start:s.pos]
	if ascii {
		s.words[name] = true
		return
	}
	id := s.seen[name]
	if id == nil {
		id = &identifier{name: name}
		s.seen[name] = id
		s.order = append(s.order, id)
	}
	id.places = append(id.places, start)
}

// standIn makes an ASCII identifier of the same length for name, one that the file does not have by
// itself. Identifiers of two bytes, such as "é", have room for 36 of them; beyond that they share
// one.
func (s *scanner) standIn(name string) string {
	const digits = "abcdefghijklmnopqrstuvwxyz0123456789"
	const most = 1 << 12
	in := make([]byte, len(name))
	for n := len(s.standIns); n <= len(s.standIns)+most; n++ {
		for i, k := len(in)-1, n; i > 0; i, k = i-1, k/len(digits) {
			in[i] = digits[k%len(digits)]
		}
		in[0] = 'q'
		if _, taken := s.standIns[string(in)]; !taken && !s.words[string(in)] {
			break
		}
	}
	s.standIns[string(in)] = name
	return string(in)
}

// stray notes a character that can be neither part of an identifier nor anything else, once per
// file, and puts what was meant in its place.
func (s *scanner) stray(r rune, size int) {
	ascii := meant(r)
	s.fill(s.pos, size, ascii)
	if !s.reported[r] {
		s.reported[r] = true
		d := &diag.Diagnostic{
			Place:   s.src.Place(s.pos, s.pos+size),
			Message: fmt.Sprintf("character %s (U+%04X) is not allowed outside comments and strings", quoteRune(r), r),
		}
		switch {
		case ascii == ' ':
			d.Hint = "replace it by a plain space, or remove it"
		case ascii != 0:
			d.Hint = fmt.Sprintf("use the ASCII %q", ascii)
		}
		if n := strings.Count(s.text[s.pos+size:], string(r)); n > 0 {
			d.Notes = append(d.Notes, diag.Note{Message: "the file has it " + times(n) + " more behind this place"})
		}
		s.strays = append(s.strays, d)
	}
	s.pos += size
}

// smartString notes a string in typographic quotes and makes it a string for the parser.
func (s *scanner) smartString(open rune) {
	shut, ascii := '\u201D', byte('"')
	if open == '\u2018' {
		shut, ascii = '\u2019', '\''
	}
	size := utf8.RuneLen(open)
	line, _, _ := strings.Cut(s.text[s.pos+size:], "\n")
	length := strings.IndexRune(line, shut)
	if length < 0 {
		s.stray(open, size)
		return
	}
	end := s.pos + size + length + utf8.RuneLen(shut)
	s.strays = append(s.strays, &diag.Diagnostic{
		Place:   s.src.Place(s.pos, end),
		Message: "a string in typographic quotes",
		Hint:    fmt.Sprintf("quote it with %c", ascii),
	})
	for i := s.pos; i < end; i++ {
		s.out[i] = ' '
	}
	text := s.text[s.pos+size : s.pos+size+length]
	s.out[s.pos] = ascii
	if !strings.ContainsAny(text, "\\\"'") {
		copy(s.out[s.pos+1:], text)
		s.out[s.pos+1+length] = ascii
	} else {
		s.out[s.pos+1] = ascii
	}
	s.pos = end
}

// fill overwrites size bytes at pos with c (0: a space) and spaces.
func (s *scanner) fill(pos, size int, c byte) {
	for i := range size {
		s.out[pos+i] = ' '
	}
	if c != 0 && c != '"' && c != '\'' {
		s.out[pos] = c
	}
}

// quoteRune shows r in quotes if it has a shape.
func quoteRune(r rune) string {
	if meant(r) == ' ' {
		return "that looks like a space"
	}
	return "'" + string(r) + "'"
}
