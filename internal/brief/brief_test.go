package brief

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc... (4 bytes)"},
		{"aééé", 4, "aé... (7 bytes)"},
		{"é", 0, "... (2 bytes)"},
		{"\xff\xff\xff", 2, "?... (3 bytes)"},
		{"abc", -1, "... (3 bytes)"},
	} {
		if got := Text(tt.s, tt.n); got != tt.want {
			t.Errorf("Text(%q, %d) = %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got := Quote("a\n"); got != `"a\n"` {
		t.Errorf("got %s", got)
	}
	long := Quote(strings.Repeat("\x00", 1<<20))
	if len(long) > 5*Most || !strings.HasSuffix(long, `"... (1048576 bytes)`) {
		t.Errorf("%d bytes: %.50s", len(long), long)
	}
}

func FuzzText(f *testing.F) {
	f.Add("aé\xff", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = min(n, 1<<10)
		got := Text(s, n)
		if len(got) > max(n, 0)*3+len("... (9223372036854775807 bytes)") && len(s) > n {
			t.Errorf("%d bytes of %d, limit %d", len(got), len(s), n)
		}
		if len(s) > n && !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
	})
}
