package layers

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is one page of docs/guide.
type page struct{ name, text string }

func guide(t *testing.T) []page {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "docs", "guide", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var pages []page
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page{filepath.Base(file), string(text)})
	}
	if len(pages) < 2 {
		t.Fatalf("%d pages in docs/guide", len(pages))
	}
	return pages
}

// TestGuideQuotesRealCode compares the code and output in the pages of the guide with the files
// they name. A program's output is quoted from the Example that runs it.
func TestGuideQuotesRealCode(t *testing.T) {
	top := root(t)
	for _, p := range guide(t) {
		if p.name == "README.md" {
			continue
		}
		quotes, faults := quotesOf(p.text, func(file string) (string, error) {
			text, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(file)))
			return string(text), err
		})
		for _, fault := range faults {
			t.Errorf("docs/guide/%s %s", p.name, fault)
		}
		if quotes == 0 {
			t.Errorf("docs/guide/%s quotes no program", p.name)
		}
	}
}

var fenced = regexp.MustCompile("(?s)(?:<!-- ([^ ]+) -->\n)?```(go|proto|text)\n(.*?)```")

// quotesOf returns how many blocks of code a page has, and each block of code or output that is not
// in the file named above it.
func quotesOf(text string, read func(file string) (string, error)) (quotes int, faults []string) {
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		file, kind, block := m[1], m[2], m[3]
		if file == "" {
			faults = append(faults, "has a block without the name of its file:\n"+block)
			continue
		}
		source, err := read(file)
		if err != nil {
			faults = append(faults, err.Error())
			continue
		}
		if strings.HasSuffix(file, ".txtar") { // a script that runs the command
			quotes++
		}
		if kind == "text" {
			block, source = plain(block), plain(source)
		} else {
			quotes++
		}
		if !strings.Contains(source, block) {
			faults = append(faults, "quotes "+file+" other than it is:\n"+block)
		}
	}
	return quotes, faults
}

// plain strips the comment marks from the output in an Example.
func plain(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "//"))
	}
	return strings.Join(lines, "\n")
}

func TestWrongQuotesAreFound(t *testing.T) {
	const source = "package main\n\nfunc main() {}\n\n\t// Output:\n\t// UNAVAILABLE: no\n"
	for name, c := range map[string]struct {
		text   string
		faults int
	}{
		"code":         {"<!-- x.go -->\n```go\nfunc main() {}\n```\n", 0},
		"other code":   {"<!-- x.go -->\n```go\nfunc main() { }\n```\n", 1},
		"no file":      {"```go\nfunc main() {}\n```\n", 1},
		"output":       {"<!-- x.go -->\n```text\nUNAVAILABLE: no\n```\n", 0},
		"other output": {"<!-- x.go -->\n```text\nUNAVAILABLE: yes\n```\n", 1},
	} {
		if _, faults := quotesOf(c.text, func(string) (string, error) { return source, nil }); len(faults) != c.faults {
			t.Errorf("%s: %q, want %d faults", name, faults, c.faults)
		}
	}
}

var (
	inline   = regexp.MustCompile("`([^`\n]+)`")
	exported = regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*(?:\.[A-Z]\w*)?)`)
	// grpcNames is the first cell of the table in migrate.md: names of grpc-go.
	grpcNames = regexp.MustCompile("(?m)^\\| `[^|]*\\|")
	option    = regexp.MustCompile(`\b(?:With[A-Z]\w+|WaitForReady)\b`)
)

// TestGuideNamesWhatIsThere: what a page of the guide names as `package.Name`,
// `package.Type.Member` or, of the root package, `WithOption` and `Type.Member`, is declared.
func TestGuideNamesWhatIsThere(t *testing.T) {
	packages, declared := declarations(readSources(t))
	names := 0
	check := func(p page, name string) {
		names++
		if !declared[name] {
			t.Errorf("docs/guide/%s names %s, which does not exist", p.name, name)
		}
	}
	for _, p := range guide(t) {
		text := fenced.ReplaceAllString(p.text, "")
		if p.name == "migrate.md" {
			text = grpcNames.ReplaceAllString(text, "")
		}
		for _, m := range inline.FindAllStringSubmatch(text, -1) {
			for _, n := range exported.FindAllStringSubmatch(m[1], -1) {
				if packages[n[1]] {
					check(p, n[1]+"."+n[2])
				}
			}
			// Those with a package in front were checked above, and may be another package's.
			for _, n := range option.FindAllString(exported.ReplaceAllString(m[1], ""), -1) {
				check(p, "naru."+n)
			}
			if first, _, ok := strings.Cut(m[1], "."); ok && declared["naru."+first] {
				check(p, "naru."+m[1])
			}
			if strings.HasPrefix(m[1], "Limits.") && !strings.ContainsAny(m[1], " :=") {
				check(p, "limits."+m[1])
			}
		}
	}
	if names < 40 {
		t.Errorf("only %d names found: is the expression right?", names)
	}
}

// declarations returns the runtime's public packages by name, and what they export: "package.Name"
// and "package.Type.Member".
func declarations(sources []*source) (packages, declared map[string]bool) {
	packages, declared = map[string]bool{}, map[string]bool{}
	for _, s := range sources {
		if s.test() || otherModule(s.path) || !public(s) {
			continue
		}
		pkg := s.file.Name.Name
		if dir := path.Base(path.Dir(s.path)); dir != "." && dir != pkg {
			continue
		}
		packages[pkg] = true
		for _, decl := range s.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if r := receiver(d); r != "" {
					declared[pkg+"."+r+"."+d.Name.Name] = true
				} else {
					declared[pkg+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					declareSpec(declared, pkg, spec)
				}
			}
		}
	}
	return packages, declared
}

func declareSpec(declared map[string]bool, pkg string, spec ast.Spec) {
	switch sp := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range sp.Names {
			declared[pkg+"."+name.Name] = true
		}
	case *ast.TypeSpec:
		declared[pkg+"."+sp.Name.Name] = true
		var list *ast.FieldList
		switch typ := sp.Type.(type) {
		case *ast.StructType:
			list = typ.Fields
		case *ast.InterfaceType:
			list = typ.Methods
		default:
			return
		}
		for _, f := range list.List {
			for _, name := range f.Names {
				declared[pkg+"."+sp.Name.Name+"."+name.Name] = true
			}
		}
	}
}
