package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// source is one parsed file of the repository.
type source struct {
	path string // relative to the root, with slashes
	text []byte
	file *ast.File
	fset *token.FileSet
}

func (s *source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) generated() bool { return ast.IsGenerated(s.file) }

func (s *source) pos(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return s.path + ":" + strconv.Itoa(p.Line)
}

// root returns the repository's root folder.
func root(t *testing.T) string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	top := filepath.Dir(filepath.Dir(wd))
	if _, err := os.Stat(filepath.Join(top, "go.mod")); err != nil {
		t.Fatalf("%s is not the repository's root: %v", top, err)
	}
	return top
}

// readSources parses every Go file of the repository, all modules. Reading them all also
// makes go test's cache notice a change in a package that this one does not import, which
// what `go list` reads for us would not.
func readSources(t *testing.T) []*source {
	t.Helper()
	top := root(t)
	fset := token.NewFileSet()
	var sources []*source
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != top && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("does not parse: %v", err)
			return nil
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		sources = append(sources, &source{filepath.ToSlash(rel), text, file, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// parse makes a source of a text, for the tests of the checks themselves.
func parse(t *testing.T, path, text string) *source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return &source{path, []byte(text), file, fset}
}
