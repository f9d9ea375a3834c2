package cli

import "strings"

// Style colours text for a terminal, or leaves it as it is. The zero value leaves it.
type Style struct{ on bool }

// NewStyle returns a style that colours if on is set.
func NewStyle(on bool) Style { return Style{on: on} }

// Error is for the word that starts an error.
func (s Style) Error(text string) string { return s.wrap("1;31", text) }

// Warning is for the word that starts a warning.
func (s Style) Warning(text string) string { return s.wrap("1;33", text) }

// Hint is for the word that starts a hint.
func (s Style) Hint(text string) string { return s.wrap("1;36", text) }

// Strong is for headings and file positions.
func (s Style) Strong(text string) string { return s.wrap("1", text) }

// Faint is for what may be skipped.
func (s Style) Faint(text string) string { return s.wrap("2", text) }

func (s Style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Good is for what is as it should be.
func (s Style) Good(text string) string { return s.wrap("1;32", text) }

// Printable replaces the control characters of a text that a server or a file sent, so that they do
// not reach the terminal. Tabs stay.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
