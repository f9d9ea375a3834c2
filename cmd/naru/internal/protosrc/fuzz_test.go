package protosrc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		"syntax = \"proto3\";\nmessage A { string s = 1; }\n",
		"package 상점.v1; message 상품 { string 이름 = 1; /* 주석 */ 상품 상품 = 1; } // 끝",
		"syntax = “proto3”; import ‘x’; message B　{ int32 n = －1；}",
		"\uFEFFsyntax = \"proto2\"; message é { optional é é = 1; }",
		"/* open", "\"open", "'\\", "“open", "// 끝", "\xb0\xa1", "\xff\xfes\x00", "é", "a\u0301b", "\u200b\u00a0",
		"service S { rpc A(A) returns (stream A) {} rpc A(A) returns (A); } message A {} message A { reserved 1 to 2; int32 a = 1; }",
		"extend google.protobuf.FieldOptions { string s = 50000; } enum E { A = 0; B = 0; } message M { oneof o {} map<string,M> m = 1; }",
		"edition = \"2023\"; option features.field_presence = FOO; option (x).y = { a: [1, \"b\"] };",
		// panics in the parser
		"syntax = \"proto2\"; message m { extensions 1 ti; } message n { extensions 100[default = nan] }",
	} {
		f.Add(s)
	}
	files, err := filepath.Glob("testdata/protoc/*.proto")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
}

// FuzzPrescan: the text for the parser has the length and the lines of the original and nothing but
// ASCII outside comments and strings; every finding lies in the text; a clean file comes back as it
// was.
func FuzzPrescan(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		var list diag.List
		src := diag.NewSource("f.proto", text)
		got := prescan(src, &list)
		if got.unreadable {
			if errs, _ := list.Count(); errs != 1 {
				t.Fatalf("an unreadable file has %d findings, want 1", errs)
			}
			return
		}
		if len(got.text) != len(text) || strings.Count(got.text, "\n") != strings.Count(text, "\n") {
			t.Fatalf("the text changed its shape:\n%q\n%q", text, got.text)
		}
		if errs, _ := list.Count(); errs == 0 && got.text != text {
			t.Errorf("changed without a word:\n%q\n%q", text, got.text)
		}
		var again diag.List
		if second := prescan(diag.NewSource("f.proto", got.text), &again); second.text != got.text || len(again.All()) != 0 {
			t.Errorf("a cleaned text is not clean:\n%q\n%q\n%q", text, got.text, second.text)
		}
		for standIn, name := range got.names {
			if len(standIn) != len(name) || utf8.RuneCountInString(standIn) != len(standIn) {
				t.Errorf("stand-in %q for %q: want ASCII of the same length", standIn, name)
			}
		}
	})
}

// FuzzCompile: no file makes the compiler panic through, run on, or stop without a finding.
func FuzzCompile(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f.proto"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		res := Compile(Sources{Roots: []Root{{Dir: dir, Shown: "."}}}, []string{"f.proto"})
		errs, _ := res.Findings.Count()
		if (errs == 0) != (len(res.Files) > 0) {
			t.Errorf("%d errors and %d descriptors for %q", errs, len(res.Files), text)
		}
		for _, d := range res.Findings.All() {
			if strings.Contains(d.Message, "a bug in") && !strings.Contains(d.Message, "a bug in the parser") { // the library's, which stays an error
				t.Errorf("%q: %s", text, d.Message)
			}
		}
	})
}
