package features

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// optionTypes are the structs whose exported fields are options of client connections, by folder.
var optionTypes = map[string][]string{
	"balancer": {"PickFirst", "RoundRobin", "SlowStart", "LeastRequest", "WeightedRoundRobin", "RingHash", "RandomSubsetting",
		"OutlierDetection", "SuccessRateEjection", "FailurePercentageEjection", "LatencyEjection"},
	"resolver":      {"PollOptions", "DNSOptions", "FileOptions"},
	"serviceconfig": {"Config", "MethodConfig", "Name", "RetryPolicy", "HedgingPolicy", "RetryThrottling", "HealthCheckConfig", "ConnectionScaling"},
	"connectivity":  {"Backoff"},
	"credentials":   {"TLSFiles"},
	"":              {"Keepalive"},
}

// valueTypes are the other structs with exported fields in these folders: what policies, resolvers
// and programs exchange. A new struct must be put into one list or the other.
var valueTypes = map[string][]string{
	"balancer":      {"Update", "State", "SubConnOptions", "SubConnState", "CallInfo", "Pick", "DropError", "DoneInfo", "LoadReport"},
	"resolver":      {"Address", "Endpoint", "State", "Target", "Options"},
	"serviceconfig": {"Error", "Client"},
	"connectivity":  {"Failure", "Report", "Waits"},
	"credentials":   {"Identity", "Token"},
}

// elsewhere says where an option is tested that cannot be shown by calls.
var elsewhere = map[string]string{
	"Keepalive.UserTimeout": "TestUserTimeout in internal/channel reads it off the socket: its effect needs a network that drops packets",
}

// TestEveryOptionIsShown fails for an option, a field of a policy's or resolver's configuration, or
// a scheme that no test uses with a client and a server. Tests are looked for here, in the root
// package and in test/channel.
func TestEveryOptionIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, dir := range []string{".", "../..", "../../test/channel"} {
		files := parse(t, dir, true)
		if dir == "." && len(files) < 5 {
			t.Fatalf("only %d files of tests found", len(files))
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool { use(n, shown); return true })
		}
	}
	n := 0
	for dir := range optionTypes {
		for _, name := range options(t, dir) {
			if n++; !shown[name] && elsewhere[name] == "" {
				t.Errorf("%s is an option of package %q that no test shows through NewClient", name, dir)
			}
		}
	}
	if n < 90 {
		t.Errorf("only %d options found, want those of six packages", n)
	}
}

// use notes the options that a piece of a test uses: "WithProxy", "DNS", "RingHash.Header".
func use(n ast.Node, shown map[string]bool) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		shown[n.Sel.Name] = true
	case *ast.CompositeLit:
		switch typ := n.Type.(type) {
		case *ast.SelectorExpr:
			useFields(typ, n, shown)
		case *ast.ArrayType: // the elements' type may be left out
			if typ, ok := typ.Elt.(*ast.SelectorExpr); ok {
				for _, e := range n.Elts {
					if e, ok := e.(*ast.CompositeLit); ok && e.Type == nil {
						useFields(typ, e, shown)
					}
				}
			}
		}
	}
}

func useFields(typ *ast.SelectorExpr, lit *ast.CompositeLit, shown map[string]bool) {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok {
				shown[typ.Sel.Name+"."+key.Name] = true
			}
		}
	}
}

// options returns the options that a folder exports.
func options(t *testing.T, dir string) (names []string) {
	for _, f := range parse(t, filepath.Join("../..", dir), false) {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && returnsOption(d) {
					names = append(names, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok {
						names = append(names, optionFields(t, dir, ts)...)
					}
				}
			}
		}
	}
	return names
}

// returnsOption reports whether f makes an option of clients, or a resolver's builder.
func returnsOption(f *ast.FuncDecl) bool {
	if !f.Name.IsExported() || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	id, ok := f.Type.Results.List[0].Type.(*ast.Ident)
	return ok && slices.Contains([]string{"ClientOption", "Option", "CallOption", "CommonOption", "Builder"}, id.Name)
}

func optionFields(t *testing.T, dir string, ts *ast.TypeSpec) (names []string) {
	st, ok := ts.Type.(*ast.StructType)
	if !ok || !ts.Name.IsExported() {
		return nil
	}
	for _, f := range st.Fields.List {
		for _, id := range f.Names {
			if id.IsExported() {
				names = append(names, ts.Name.Name+"."+id.Name)
			}
		}
	}
	switch {
	case slices.Contains(optionTypes[dir], ts.Name.Name):
		return names
	case len(names) > 0 && dir != "" && !slices.Contains(valueTypes[dir], ts.Name.Name):
		t.Errorf("struct %s of package %s is in none of the lists: is it an option?", ts.Name.Name, dir)
	}
	return nil
}

// parse reads the Go files of a folder, tests or the others.
func parse(t *testing.T, dir string, tests bool) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") == tests {
			f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	return files
}
