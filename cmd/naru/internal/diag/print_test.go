package diag

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

func printed(t *testing.T, d *Diagnostic) string {
	t.Helper()
	var b strings.Builder
	if err := Print(&b, cli.Style{}, []*Diagnostic{d}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCaret checks that the caret is below its place whatever stands before it.
func TestCaret(t *testing.T) {
	for _, tc := range []struct{ name, text, mark, want string }{
		{"ascii", "string id = 1;", "1",
			"f:1:13: error: m\n    1 | string id = 1;\n      |             ^\n"},
		{"several characters", "string id = 1;", "id",
			"f:1:8: error: m\n    1 | string id = 1;\n      |        ^^\n"},
		{"tabs stay tabs", "\t a\tb = 1;", "b",
			"f:1:5: error: m\n    1 | \t a\tb = 1;\n      | \t  \t^\n"},
		{"Hangul takes two columns", "/* 가격 */ int32 상품 = 1;", "상품",
			"f:1:16: error: m\n    1 | /* 가격 */ int32 상품 = 1;\n      |                  ^^^^\n"},
		{"combining marks take none", "e\u0301x", "x",
			"f:1:3: error: m\n    1 | e\u0301x\n      |  ^\n"},
		{"second line, CRLF", "a;\r\nb c\r\n", "c",
			"f:2:3: error: m\n    2 | b c\n      |   ^\n"},
		{"escape sequences are shown", "\x1b[31m x", "x",
			"f:1:7: error: m\n    1 | ␛[31m x\n      |       ^\n"},
		{"direction overrides are shown", "\u202e x", "x",
			"f:1:3: error: m\n    1 | \uFFFD x\n      |   ^\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := NewSource("f", tc.text)
			at := strings.LastIndex(tc.text, tc.mark)
			got := printed(t, &Diagnostic{Place: src.Place(at, at+len(tc.mark)), Message: "m"})
			if got != tc.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

func TestLongLinesAreCut(t *testing.T) {
	text := strings.Repeat("가", 5000) + "HERE" + strings.Repeat("b", 5000)
	src := NewSource("f", text)
	at := strings.Index(text, "HERE")
	got := printed(t, &Diagnostic{Place: src.Place(at, at+4), Message: "m"})
	lines := strings.Split(got, "\n")
	if n := utf8.RuneCountInString(lines[1]); n > 8+maxBefore+maxSpan+maxAfter+1 {
		t.Errorf("the line shown has %d characters:\n%s", n, lines[1])
	}
	before, _, _ := strings.Cut(lines[1], "HERE")
	caret, _, _ := strings.Cut(lines[2], "^")
	if columns(caret) != columns(before) {
		t.Errorf("the caret starts at column %d, the place at %d:\n%s", columns(caret), columns(before), got)
	}
	if !strings.HasPrefix(before[8:], "…") || !strings.HasSuffix(lines[1], "…") {
		t.Errorf("a cut line has to show where it was cut:\n%s", lines[1])
	}
}

func TestNotesAndHints(t *testing.T) {
	src := NewSource("a.proto", "one\ntwo\n")
	got := printed(t, &Diagnostic{
		Severity: Warning,
		Place:    src.Place(0, 3),
		Message:  "first line\nsecond line",
		Notes:    []Note{{Place: src.Place(4, 7), Message: "there"}, {Message: "no place"}},
		Hint:     "do this\nand that",
	})
	want := `a.proto:1:1: warning: first line
   second line
    1 | one
      | ^^^
a.proto:2:1: note: there
    2 | two
      | ^^^
   note: no place
   hint: do this
         and that
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestListOrder(t *testing.T) {
	a, b := NewSource("a", "xyz"), NewSource("b", "xyz")
	var l List
	for _, d := range []*Diagnostic{
		{Place: b.Place(0, 1), Message: "4"},
		{Place: a.Place(2, 3), Message: "3", Severity: Warning},
		{Place: a.Place(2, 3), Message: "2"},
		{Place: a.Place(0, 1), Message: "1"},
		{Place: b.Place(0, 1), Message: "4"},
	} {
		l.Add(d)
	}
	var got strings.Builder
	for _, d := range l.All() {
		got.WriteString(d.Message)
	}
	if got.String() != "1234" {
		t.Errorf("got order %s, want 1234: by file, offset and severity, each once", got.String())
	}
	if errs, warnings := l.Count(); errs != 3 || warnings != 1 {
		t.Errorf("got %d errors, %d warnings; want 3 and 1", errs, warnings)
	}
}

func TestOffset(t *testing.T) {
	src := NewSource("f", "\tab\n가나다\nx")
	for _, tc := range []struct{ line, column, want int }{
		{0, 0, 0}, {0, 8, 1}, {0, 9, 2}, {0, 99, 3}, {1, 1, 7}, {1, 3, 13}, {2, 0, 14}, {2, 5, 15}, {9, 0, 15}, {-1, 0, 15},
	} {
		if got := src.Offset(tc.line, tc.column); got != tc.want {
			t.Errorf("offset of line %d, column %d: got %d, want %d", tc.line, tc.column, got, tc.want)
		}
	}
}

// FuzzPrint: whatever a file and a place are, the printer neither fails nor lets a control
// character out, and the caret is below the place.
func FuzzPrint(f *testing.F) {
	f.Add("string id = 1;", 7, 9, "message")
	f.Add("\t/* 가격 */\r\n\x1b[2J", 12, 300, "a\x1b]0;x\x07b\nc")
	f.Add("\xff\xfe\x00", 1, 2, "\xff")
	f.Add("", 0, 0, "")
	f.Add(strings.Repeat("가", 300)+"\u200b\u0301\u202e", 900, 901, "m")
	f.Fuzz(func(t *testing.T, text string, start, end int, message string) {
		src := NewSource("f\x1b.proto", text)
		place := src.Place(start, end)
		line, column := src.Position(place.Start)
		if line < 1 || column < 1 || place.Start > place.End || place.End > len(text) {
			t.Fatalf("position %d:%d, place %d to %d of %d bytes", line, column, place.Start, place.End, len(text))
		}
		var b strings.Builder
		if err := Print(&b, cli.Style{}, []*Diagnostic{{Place: place, Message: message, Hint: message}}); err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(b.String()) {
			t.Errorf("the output is not UTF-8: %q", b.String())
		}
		for _, r := range b.String() {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || r >= 0x202A && r <= 0x202E) {
				t.Errorf("control character %U in the output", r)
			}
		}
		// Only the last line before the hint is made of white space and carets.
		for _, l := range strings.Split(b.String(), "\n") {
			if rest, ok := strings.CutPrefix(l, "      | "); ok && !strings.HasSuffix(strings.TrimRight(rest, "^"), " ") &&
				strings.Trim(rest, " \t^") == "" && !strings.Contains(rest, "^") {
				t.Errorf("no caret in %q", l)
			}
		}
	})
}
