package protosrc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

// TestPrescan checks the text that the parser gets, and what is said about the original.
func TestPrescan(t *testing.T) {
	for _, tc := range []struct {
		name, text, want string
		messages         []string
	}{
		{"ascii", "message A {}", "message A {}", nil},
		{"comments and strings", "// 가\n/* 나 */ a = \"다\\\"라\"; b = '마'", "// 가\n/* 나 */ a = \"다\\\"라\"; b = '마'", nil},
		{"an identifier, twice", "가 b 가", "qaa b qaa", []string{`identifier "가": only ASCII letters, digits and _ make an identifier`}},
		{"its stand-in is taken", "qaa 가 qaab", "qaa qab qaab", []string{`identifier "가": only ASCII letters, digits and _ make an identifier`}},
		{"mixed with ASCII", "a가1_", "qaaaaa", []string{`identifier "a가1_": only ASCII letters, digits and _ make an identifier`}},
		{"decomposed", "e\u0301", "qaa", []string{"identifier \"e\u0301\": only ASCII letters, digits and _ make an identifier"}},
		{"an open string ends with its line", "\"가\n나", "\"가\nqaa", []string{`identifier "나": only ASCII letters, digits and _ make an identifier`}},
		{"an open comment", "/* 가", "/* 가", nil},
		{"fullwidth", "a；ｉｎ", "a;  in    ", []string{
			"character '；' (U+FF1B) is not allowed outside comments and strings",
			`identifier "ｉｎ": only ASCII letters, digits and _ make an identifier`}},
		{"a character, reported once", "×a×", "  a  ", []string{"character '×' (U+00D7) is not allowed outside comments and strings"}},
		{"no-break space", "a\u00A0b", "a  b", []string{"character that looks like a space (U+00A0) is not allowed outside comments and strings"}},
		{"typographic quotes", "“가”;", "\"가\"    ;", []string{"a string in typographic quotes"}},
		{"one typographic quote", "“가", "   qaa", []string{
			"character '“' (U+201C) is not allowed outside comments and strings",
			`identifier "가": only ASCII letters, digits and _ make an identifier`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var list diag.List
			got := prescan(diag.NewSource("f.proto", tc.text), &list)
			if got.text != tc.want {
				t.Errorf("text: got %q, want %q", got.text, tc.want)
			}
			var messages []string
			for _, d := range list.All() {
				messages = append(messages, d.Message)
			}
			if diff := cmp.Diff(sorted(tc.messages), sorted(messages)); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func sorted(s []string) map[string]bool {
	out := map[string]bool{}
	for _, x := range s {
		out[x] = true
	}
	return out
}

// TestEncodings: a file that is not UTF-8 gets one finding, whatever it holds.
func TestEncodings(t *testing.T) {
	for _, tc := range []struct{ name, text, want, hint string }{
		{"CP949", "syntax = \"proto3\";\n// \xB0\xA1\xB0\xDD\nmessage \xBB\xF3 {}", "byte 0xB0 is not UTF-8", "CP949"},
		{"UTF-16, little end first", "\xFF\xFEs\x00", "the file is UTF-16; a .proto file has to be UTF-8", "iconv"},
		{"UTF-16, big end first", "\xFE\xFF\x00s", "the file is UTF-16; a .proto file has to be UTF-8", "iconv"},
		{"cut off in a character", "// 가\xEA\xB0", "byte 0xEA is not UTF-8", "encoding"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var list diag.List
			if got := prescan(diag.NewSource("f.proto", tc.text), &list); !got.unreadable {
				t.Errorf("taken for readable: %q", got.text)
			}
			all := list.All()
			if len(all) != 1 || all[0].Message != tc.want || !strings.Contains(all[0].Hint, tc.hint) {
				t.Errorf("got %d findings, first %+v; want only %q with a hint about %s", len(all), all[0], tc.want, tc.hint)
			}
		})
	}
}

// TestManyTwoByteIdentifiers: there are more of them than stand-ins of their length.
func TestManyTwoByteIdentifiers(t *testing.T) {
	var text strings.Builder
	for r := 'а'; r <= 'џ'; r++ {
		text.WriteString(string(r) + " ")
	}
	var list diag.List
	got := prescan(diag.NewSource("f.proto", text.String()), &list)
	if len(got.text) != text.Len() || !isASCII(got.text) {
		t.Errorf("got %q, want ASCII of the same length", got.text)
	}
	if errs, _ := list.Count(); errs != 'џ'-'а'+1 {
		t.Errorf("got %d findings, want one for each of %d identifiers", errs, 'џ'-'а'+1)
	}
}
