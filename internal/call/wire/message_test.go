package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPercentCoding(t *testing.T) {
	for _, tt := range []struct{ message, wire string }{
		{"", ""},
		{"plain text ~!", "plain text ~!"},
		{"100%", "100%25"},
		{"line\r\nbreak\tand\x00\x7f", "line%0D%0Abreak%09and%00%7F"},
		{"없는 상품", "%EC%97%86%EB%8A%94 %EC%83%81%ED%92%88"},
		{"😀", "%F0%9F%98%80"},
		{"\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n", "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A"},
	} {
		if got := PercentEncode(tt.message); got != tt.wire {
			t.Errorf("encode %q = %q, want %q", tt.message, got, tt.wire)
		}
		if got := PercentDecode(tt.wire); got != tt.message {
			t.Errorf("decode %q = %q, want %q", tt.wire, got, tt.message)
		}
	}
	if got := PercentEncode("a\xff\xfeb"); got != "a%EF%BF%BDb" {
		t.Errorf("encode of broken UTF-8 = %q, want one replacement character", got)
	}
}

func TestPercentDecodingNeverFails(t *testing.T) {
	for wire, want := range map[string]string{
		"%":           "%",
		"%2":          "%2",
		"100% of %G1": "100% of %G1",
		"%2G%41%4":    "%2GA%4",
		"%%41":        "%A",
		"%e2%98%ba":   "☺",
		"raw ☺":       "raw ☺",
		"%FF":         "\uFFFD",
		"\xff":        "\uFFFD",
		"%e2%98":      "\uFFFD",
	} {
		if got := PercentDecode(wire); got != want {
			t.Errorf("decode %q = %q, want %q", wire, got, want)
		}
	}
}

func TestPercentCodingAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = PercentEncode("no product 7"); _ = PercentDecode("no product 7") }); n != 0 {
		t.Errorf("plain text: %v allocations, want 0", n)
	}
}

func FuzzPercentDecode(f *testing.F) {
	for _, s := range []string{"", "%", "%4", "%41", "%zz%", "없음", "%EC%97%86", "\xff%ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := PercentDecode(s)
		if !utf8.ValidString(got) {
			t.Fatalf("decode %q = %q, not UTF-8", s, got)
		}
		wire := PercentEncode(s)
		if strings.ContainsFunc(wire, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("encode %q = %q, not printable ASCII", s, wire)
		}
		if back, want := PercentDecode(wire), strings.ToValidUTF8(s, "\uFFFD"); back != want {
			t.Fatalf("round trip of %q = %q, want %q", s, back, want)
		}
	})
}
