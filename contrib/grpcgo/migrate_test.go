package grpcgo_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mainPackages are the packages of grpc-go whose names the guide's table has.
var mainPackages = []string{
	".", "status", "codes", "metadata", "peer", "credentials", "credentials/insecure", "keepalive", "stats", "resolver",
	"resolver/manual", "encoding", "health", "reflection", "connectivity", "backoff", "tap", "test/bufconn",
}

// TestMigrationTableIsWhole compares the names in the table of docs/guide/migrate.md with those
// that the pinned grpc-go exports.
func TestMigrationTableIsWhole(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "guide", "migrate.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		first, _, _ := strings.Cut(line[1:], "|")
		for _, m := range regexp.MustCompile("`([a-z]+\\.[A-Z][A-Za-z0-9]*)`").FindAllStringSubmatch(first, -1) {
			if rows[m[1]] {
				t.Errorf("%s is in the table twice", m[1])
			}
			rows[m[1]] = true
		}
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/grpc").Output()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, p := range mainPackages {
		name := path.Base(p)
		if p == "." {
			name = "grpc"
		}
		for _, e := range exports(t, filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(p))) {
			exported[name+"."+e] = true
		}
	}
	if len(exported) < 300 {
		t.Fatalf("only %d names found in grpc-go", len(exported))
	}
	for name := range exported {
		if !rows[name] {
			t.Errorf("%s is missing in the table of docs/guide/migrate.md", name)
		}
	}
	for name := range rows {
		if !exported[name] {
			t.Errorf("%s is in the table of docs/guide/migrate.md, and not in this grpc-go", name)
		}
	}
}

// exports returns the exported names of the package in dir.
func exports(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						add(s.Name)
					case *ast.ValueSpec:
						for _, n := range s.Names {
							add(n)
						}
					}
				}
			}
		}
	}
	return names
}
