package layers

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestExportsAreDocumented wants a comment on every exported name of the runtime's public
// packages, down to fields and interface methods, and a package comment on every package.
func TestExportsAreDocumented(t *testing.T) {
	packageDocs := map[string]bool{}
	checked := 0
	for _, s := range readSources(t) {
		if s.test() || s.generated() || otherModule(s.path) {
			continue
		}
		dir := path.Dir(s.path)
		packageDocs[dir] = packageDocs[dir] || s.file.Doc != nil
		if !public(s) {
			continue
		}
		checked++
		for _, fault := range undocumented(s) {
			t.Error(fault)
		}
	}
	for dir, ok := range packageDocs {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
	if checked < 10 {
		t.Fatalf("only %d public files found: looking in the wrong place?", checked)
	}
}

func TestUndocumentedExportsAreFound(t *testing.T) {
	s := parse(t, "x.go", `package x
type T struct {
	// Good is fine.
	Good int
	Fine int // said at the end of the line
	Bad int
	bad int
}
func (T) M() {}
func (t) N() {}
// Told is told.
func Told() {}
func F() {}
const (
	A = 1 // a
	B = 2
)
// The two.
var (
	C = 1
	D = 2
)
// I is one.
type I interface {
	// Yes does.
	Yes()
	No()
}
`)
	want := []string{"type T", "field T.Bad", "method T.M", "func F", "const B", "method I.No"}
	var got []string
	for _, fault := range undocumented(s) {
		_, what, _ := strings.Cut(fault, ": ")
		got = append(got, strings.TrimSuffix(what, " has no comment"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// otherModule reports whether a file belongs to a module other than the runtime's.
func otherModule(file string) bool {
	for _, dir := range []string{"cmd/naru/", "contrib/", "test/", "examples/", "tools/"} {
		if strings.HasPrefix(file, dir) {
			return true
		}
	}
	return false
}

func public(s *source) bool {
	return s.file.Name.Name != "main" && !slices.Contains(strings.Split(path.Dir(s.path), "/"), "internal")
}

func undocumented(s *source) []string {
	var faults []string
	want := func(n ast.Node, name, format string, args ...any) func(docs ...*ast.CommentGroup) {
		return func(docs ...*ast.CommentGroup) {
			told := slices.ContainsFunc(docs, func(c *ast.CommentGroup) bool { return c != nil })
			if ast.IsExported(name) && !told {
				faults = append(faults, fmt.Sprintf("%s: %s has no comment", s.pos(n), fmt.Sprintf(format, args...)))
			}
		}
	}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			switch recv := receiver(d); {
			case recv == "":
				want(d, d.Name.Name, "func %s", d.Name.Name)(d.Doc)
			case ast.IsExported(recv):
				want(d, d.Name.Name, "method %s.%s", recv, d.Name.Name)(d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch sp := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range sp.Names {
						want(sp, name.Name, "%s %s", d.Tok, name.Name)(sp.Doc, sp.Comment, d.Doc)
					}
				case *ast.TypeSpec:
					want(sp, sp.Name.Name, "type %s", sp.Name.Name)(sp.Doc, sp.Comment, d.Doc)
					if ast.IsExported(sp.Name.Name) {
						members(sp, want)
					}
				}
			}
		}
	}
	return faults
}

func members(sp *ast.TypeSpec, want func(ast.Node, string, string, ...any) func(...*ast.CommentGroup)) {
	what, list := "field", (*ast.FieldList)(nil)
	switch typ := sp.Type.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		what, list = "method", typ.Methods
	default:
		return
	}
	for _, f := range list.List {
		for _, name := range f.Names { // embedded ones have none
			want(f, name.Name, "%s %s.%s", what, sp.Name.Name, name.Name)(f.Doc, f.Comment)
		}
	}
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
