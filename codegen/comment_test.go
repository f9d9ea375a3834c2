package codegen

import (
	"go/format"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestSafeComment puts hostile comments above a declaration and formats the file, as protogen does:
// the file has to parse, and no line may become a build constraint or a directive.
func TestSafeComment(t *testing.T) {
	for _, text := range []string{
		" plain text\n", " +build windows\n", "+build windows\n", " \t+build !linux\n", "go:build ignore\n", "go:embed x\n",
		"line a.go:1\n", " a \uFEFF b\n", " a\x00b\n", " first\n +build x\n last\n",
	} {
		source := "package p\n\ntype I interface {\n//" + strings.Join(strings.Split(strings.TrimSuffix(SafeComment(text), "\n"), "\n"), "\n//") + "\n\tA()\n}\n"
		out, err := format.Source([]byte(source))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if !strings.HasPrefix(string(out), "package p\n") {
			t.Errorf("%q moved to the top of the file:\n%s", text, out)
		}
		if strings.Contains(string(out), "\n\t//go:") || strings.Contains(string(out), "\n\t//line ") {
			t.Errorf("%q became a directive:\n%s", text, out)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "p.go", out, parser.ParseComments); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := SafeComment(" go: build it in line 4\n"); got != " go: build it in line 4\n" {
		t.Errorf("harmless text was changed to %q", got)
	}
}
