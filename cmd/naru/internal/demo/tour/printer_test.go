package tour

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		words   string
		sep     string
		columns int
		want    string
	}{
		{"", " ", 10, ""},
		{"one", " ", 10, "one"},
		{"one two three", " ", 7, "one two|three"},
		{"one two three", "  ", 7, "one|two|three"},
		{"waytoolong x", " ", 5, "waytoolong|x"},
		{"ä ö ü", " ", 3, "ä ö|ü"},
	} {
		if got := strings.Join(wrap(strings.Fields(c.words), c.sep, c.columns), "|"); got != c.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.words, c.columns, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1,000 bytes", 1234567: "1,234,567 bytes"} {
		if got := count(n, "byte"); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for text, want := range map[string]string{"über": "über", "übergroß": "über|groß", "übergroße": "über|gro…"} {
		if got := strings.Join(chop(text, 4), "|"); got != want {
			t.Errorf("chop(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPrinterFitsTheScreen(t *testing.T) {
	var out strings.Builder
	p := &printer{out: &out}
	p.title(1, 10, "A title")
	p.text(strings.Repeat("some words of different length ", 20))
	p.results([]string{strings.Repeat("long ", 40)})
	for l := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > width {
			t.Errorf("%d columns: %s", n, l)
		}
		if strings.HasSuffix(l, " \n") {
			t.Errorf("trailing space: %q", l)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("escape sequences without being asked for")
	}
	out.Reset()
	p = &printer{out: &out, color: true}
	p.title(1, 10, "A title")
	if !strings.Contains(out.String(), "\x1b[1m── 1/10  A title") {
		t.Errorf("no colour: %q", out.String())
	}
}

type fullDisk struct{ writes int }

func (f *fullDisk) Write([]byte) (int, error) { f.writes++; return 0, errors.New("full") }

func TestPrinterStopsAtTheFirstError(t *testing.T) {
	disk := new(fullDisk)
	p := &printer{out: disk}
	p.title(1, 1, "x")
	if p.err == nil || disk.writes != 1 {
		t.Errorf("%d writes, error %v, want one that failed", disk.writes, p.err)
	}
}
