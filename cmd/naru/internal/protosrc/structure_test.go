package protosrc

import (
	"os"
	"path/filepath"
	"testing"
)

// TestForeignEncoding: comments that are not UTF-8 matter only in files that code is generated for,
// as they are copied into it.
func TestForeignEncoding(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.proto": "syntax = \"proto3\";\nimport \"b.proto\";\nmessage A { B b = 1; }\n",
		"b.proto": "syntax = \"proto3\";\n// caf\xe9 /* \xff */\nmessage B { string s = 1; /* \xb0\xa1 */ }\n",
		"c.proto": "syntax = \"proto2\";\nimport \"d.proto\";\n",
		"d.proto": "syntax = \"proto2\";\nmessage D { optional string s = 1 [default = \"\xe9\"]; }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		file string
		want int
	}{{"a.proto", 0}, {"b.proto", 1}, {"c.proto", 1}} {
		res := Compile(Sources{Roots: []Root{{Dir: dir, Shown: "."}}}, []string{test.file})
		if errs, _ := res.Findings.Count(); errs != test.want {
			t.Errorf("%s: %d errors, want %d: %+v", test.file, errs, test.want, res.Findings.All())
		}
	}
}
