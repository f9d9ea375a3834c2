package diag

import (
	"sort"
	"unicode/utf8"
)

// Source is the text of a file. Immutable.
type Source struct {
	// Name is how the file is shown.
	Name  string
	text  string
	lines []int // offset of the first byte of each line
}

// NewSource returns the source of the file shown as name.
func NewSource(name, text string) *Source {
	s := &Source{Name: name, text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// Text returns the whole text.
func (s *Source) Text() string { return s.text }

// Place returns the bytes from start to end as a place. Offsets beyond the text are moved to its
// ends, those inside a character to its start and end.
func (s *Source) Place(start, end int) Place {
	start = min(max(start, 0), len(s.text))
	end = min(max(end, start), len(s.text))
	for start > 0 && start < len(s.text) && !utf8.RuneStart(s.text[start]) {
		start--
	}
	for end < len(s.text) && !utf8.RuneStart(s.text[end]) {
		end++
	}
	return Place{Source: s, Start: start, End: end}
}

// Position returns the line and column of an offset, both counted from 1. A column is one
// character: editors count so, whatever width a tab or a Hangul syllable has on the screen.
func (s *Source) Position(offset int) (line, column int) {
	start, _ := s.lineAt(offset)
	return s.lineNumber(offset), utf8.RuneCountInString(s.text[start:min(offset, len(s.text))]) + 1
}

// Offset returns the offset of a line and column as descriptors count them: both from 0, in
// characters, a tab filling up to a multiple of 8. Positions beyond a line's end mean its end.
func (s *Source) Offset(line, column int) int {
	if line < 0 || line >= len(s.lines) {
		return len(s.text)
	}
	start, end := s.lineAt(s.lines[line])
	at := 0
	for i, r := range s.text[start:end] {
		if at >= column {
			return start + i
		}
		if r == '\t' {
			at += 8 - at%8
		} else {
			at++
		}
	}
	return end
}

func (s *Source) lineNumber(offset int) int {
	return sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset })
}

// lineAt returns the bounds of the line that offset is on, without its line ending.
func (s *Source) lineAt(offset int) (start, end int) {
	n := max(s.lineNumber(offset), 1)
	start = s.lines[n-1]
	end = len(s.text)
	if n < len(s.lines) {
		end = s.lines[n] - 1
	}
	if end > start && s.text[end-1] == '\r' {
		end--
	}
	return start, max(end, start)
}
