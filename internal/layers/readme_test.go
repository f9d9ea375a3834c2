package layers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var quoted = regexp.MustCompile("(?s)<!-- ([^ ]+\\.go) -->\n```go\n(.*?)```")

// TestReadmeQuotesRealCode compares the code in README.md with the program it names, which
// is compiled and run by tests of its own.
func TestReadmeQuotesRealCode(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := quoted.FindAllStringSubmatch(string(readme), -1)
	if fences := strings.Count(string(readme), "```go\n"); fences != len(blocks) || fences < 2 {
		t.Fatalf("%d code blocks, %d with the name of a program: want at least two, each with a name", fences, len(blocks))
	}
	for _, b := range blocks {
		source, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(b[1])))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(source), b[2]) {
			t.Errorf("README.md quotes %s other than it is:\n%s", b[1], b[2])
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// TestLinksOfPages follows every relative link of the pages at the root and in docs.
func TestLinksOfPages(t *testing.T) {
	top := root(t)
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*.md"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s links to %s: %v", filepath.Base(page), m[1], err)
			}
		}
	}
	if links < 10 {
		t.Errorf("only %d links found in %d pages: is the expression right?", links, len(pages))
	}
}

var (
	goLink = regexp.MustCompile(`\]\(([^)#]+\.go)\)((?:,? ?` + "`[A-Za-z_]+`" + `)*)`)
	name   = regexp.MustCompile("`([A-Za-z_]+)`")
)

// TestPagesNameWhatIsThere: a function named right behind a link to a file is declared in it.
func TestPagesNameWhatIsThere(t *testing.T) {
	docs := filepath.Join(root(t), "docs")
	var text []byte
	for _, page := range []string{"layout.md", "performance.md"} {
		more, err := os.ReadFile(filepath.Join(docs, page))
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, more...)
	}
	names := 0
	for _, m := range goLink.FindAllStringSubmatch(string(text), -1) {
		source, err := os.ReadFile(filepath.Join(docs, filepath.FromSlash(m[1])))
		if err != nil {
			continue // TestLinksOfPages says so
		}
		for _, n := range name.FindAllStringSubmatch(m[2], -1) {
			names++
			declared := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + n[1] + `[\[(]`)
			if !declared.Match(source) {
				t.Errorf("a page in docs says that %s has a function %s, which it has not", m[1], n[1])
			}
		}
	}
	if names < 25 {
		t.Errorf("only %d functions named: is the expression right?", names)
	}
}
