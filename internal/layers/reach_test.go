package layers

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// optionTypes are the types of the root package's options.
var optionTypes = []string{"Option", "ServerOption", "ClientOption", "CallOption", "CommonOption"}

// TestGuideReachesEveryOption: each option of the root package and each field of the structs that
// options take, each public package and each limit is named by a page of the guide or, of a
// struct's fields, the struct is.
func TestGuideReachesEveryOption(t *testing.T) {
	var all strings.Builder
	for _, p := range guide(t) {
		all.WriteString(p.text)
	}
	names, packages := reachable(readSources(t))
	if len(names) < 40 || len(packages) < 15 {
		t.Fatalf("%d options and %d packages found: is the test right?", len(names), len(packages))
	}
	for _, missing := range unreached(all.String(), names, packages) {
		t.Errorf("no page of docs/guide names %s", missing)
	}
}

func TestUnreachedNamesAreFound(t *testing.T) {
	const text = "`naru.WithTLS` and `resolver.DNS`; WithTLSFilesToo"
	got := unreached(text, []string{"WithTLS", "WithTLSFiles"}, []string{"resolver", "balancer"})
	if want := []string{"WithTLSFiles", "package balancer"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// reachable returns the names of the root package's options and of the runtime's public packages.
func reachable(sources []*source) (names, packages []string) {
	for _, s := range sources {
		if s.test() || otherModule(s.path) || !public(s) || s.generated() {
			continue
		}
		dir := path.Dir(s.path)
		if dir != "." && !strings.Contains(dir, "/") && !slices.Contains(packages, dir) && dir != "codegen" && dir != "dynamic" { // the generator, and a module of its own
			packages = append(packages, dir)
		}
		if dir != "." {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
				continue
			}
			if id, ok := f.Type.Results.List[0].Type.(*ast.Ident); ok && slices.Contains(optionTypes, id.Name) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names, packages
}

// unreached returns what text does not name.
func unreached(text string, names, packages []string) (missing []string) {
	for _, name := range names {
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
			missing = append(missing, name)
		}
	}
	for _, name := range packages {
		if !regexp.MustCompile("\\b" + name + `\.[A-Z]|package ` + "`?" + name + `\b`).MatchString(text) {
			missing = append(missing, "package "+name)
		}
	}
	return missing
}

// TestPackagesHaveExamples: each public package of the runtime has an Example whose output is
// compared.
func TestPackagesHaveExamples(t *testing.T) {
	sources := readSources(t)
	_, packages := reachable(sources)
	for _, name := range append(packages, ".") {
		if !slices.ContainsFunc(sources, func(s *source) bool {
			return path.Dir(s.path) == name && s.test() && exampleWithOutput(s)
		}) {
			t.Errorf("package %s has no Example with output", name)
		}
	}
}

func exampleWithOutput(s *source) bool {
	return slices.ContainsFunc(s.file.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && strings.HasPrefix(f.Name.Name, "Example") && slices.ContainsFunc(s.file.Comments, func(c *ast.CommentGroup) bool {
			return c.Pos() > f.Pos() && c.End() < f.End() && strings.HasPrefix(c.Text(), "Output:")
		})
	})
}
