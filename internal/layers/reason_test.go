package layers

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// runtimeSource reports whether s is code of the runtime that is linked into programs.
func runtimeSource(s *source) bool {
	if s.test() || s.generated() {
		return false
	}
	for _, other := range []string{"test/", "examples/", "dynamic/", "cmd/", "tools/", "contrib/", "gateway/", "console/", "app/", "internal/layers/"} {
		if strings.HasPrefix(s.path, other) {
			return false
		}
	}
	return true
}

// rules are the folders whose codes name a rule of an RFC: each is written where it is produced,
// see package reason.
const rules = "internal/h2/"

// codeParams finds the parameters of type reason.Code: by name of the function, which one. -1:
// another function of the name takes a string there.
func codeParams(sources []*source) map[string]int {
	type param struct {
		name string
		at   int
	}
	found, texts := map[string]int{}, map[param]bool{}
	note := func(name string, params *ast.FieldList) {
		n := 0
		for _, p := range params.List {
			for range max(1, len(p.Names)) {
				if isCode(p.Type) {
					found[name] = n
				} else if x, ok := p.Type.(*ast.Ident); ok && x.Name == "string" {
					texts[param{name, n}] = true
				}
				n++
			}
		}
	}
	for _, s := range sources {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				note(n.Name.Name, n.Type.Params)
			case *ast.InterfaceType:
				for _, m := range n.Methods.List {
					if f, ok := m.Type.(*ast.FuncType); ok && len(m.Names) > 0 {
						note(m.Names[0].Name, f.Params)
					}
				}
			}
			return true
		})
	}
	for name, at := range found {
		if texts[param{name, at}] {
			found[name] = -1
		}
	}
	return found
}

func isCode(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "reason" && s.Sel.Name == "Code"
}

func literal(e ast.Expr) bool {
	l, ok := e.(*ast.BasicLit)
	return ok && l.Kind == token.STRING && l.Value != `""`
}

// isToken reports whether e is a field that holds a code.
func isToken(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && (s.Sel.Name == "Token" || s.Sel.Name == "Fault")
}

// literalCodes finds the places of s where a literal stands for a code.
func literalCodes(s *source, params map[string]int) (at []ast.Node) {
	inRules := strings.HasPrefix(s.path, rules)
	ast.Inspect(s.file, func(n ast.Node) bool {
		bad := false
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			key, ok := n.Key.(*ast.Ident)
			bad = ok && !inRules && (key.Name == "Token" || key.Name == "Fault") && literal(n.Value)
		case *ast.AssignStmt:
			for i := range n.Lhs {
				bad = bad || len(n.Lhs) == len(n.Rhs) && !inRules && isToken(n.Lhs[i]) && literal(n.Rhs[i])
			}
		case *ast.BinaryExpr:
			bad = isToken(n.X) && literal(n.Y) || isToken(n.Y) && literal(n.X)
		case *ast.SwitchStmt:
			if !isToken(n.Tag) {
				break
			}
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					bad = bad || literal(e)
				}
			}
		case *ast.CallExpr:
			i, ok := params[called(n)]
			bad = ok && !inRules && i >= 0 && i < len(n.Args) && literal(n.Args[i])
		}
		if bad {
			at = append(at, n)
		}
		return true
	})
	return at
}

// called is the name of what a call calls.
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// producers counts the uses of constants of package reason that are not comparisons.
func producers(s *source, count map[string]int) {
	compared := map[ast.Node]bool{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			compared[n.X], compared[n.Y] = true, true
		case *ast.CaseClause:
			for _, e := range n.List {
				compared[e] = true
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "reason" && !compared[n] {
				count[n.Sel.Name]++
			}
		}
		return true
	})
}

// TestReasonCodes: packages that agree on a code by its text agree until somebody changes one of
// them, and nothing says so.
func TestReasonCodes(t *testing.T) {
	sources := readSources(t)
	params := codeParams(sources)
	produced := map[string]int{}
	var defined []string
	for _, s := range sources {
		switch {
		case strings.HasPrefix(s.path, "internal/reason/") && !s.test():
			defined = append(defined, constants(s)...)
		case runtimeSource(s):
			producers(s, produced)
			for _, n := range literalCodes(s, params) {
				t.Errorf("%s: a literal stands for a reason code: want a constant of internal/reason", s.pos(n))
			}
		}
	}
	if len(defined) < 40 || params["Reset"] != 1 {
		t.Fatalf("%d codes, functions with codes %v: the test looks at the wrong place", len(defined), params)
	}
	for _, name := range defined {
		if produced[name] == 0 {
			t.Errorf("reason.%s is compared or not used at all: nothing produces it", name)
		}
	}
}

func constants(s *source) (names []string) {
	for _, d := range s.file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
			for _, spec := range g.Specs {
				for _, n := range spec.(*ast.ValueSpec).Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

func TestBrokenReasonCodesAreFound(t *testing.T) {
	params := map[string]int{"Reset": 1, "refuse": 0}
	for text, want := range map[string]int{
		`var e = Error{Token: "x"}`:                   1,
		`var e = Error{Token: reason.X}`:              0,
		`func f() { e.Token = "x" }`:                  1,
		`func f() { e.A, e.Token = 1, "x" }`:          1,
		`func f() bool { return e.Token == "x" }`:     1,
		`func f() bool { return "x" != a.b.Token }`:   1,
		`func f() { switch e.Token { case "x": } }`:   1,
		`func f() { switch e.Text { case "x": } }`:    0,
		`func f() { s.Reset(8, "x") }`:                1,
		`func f() { s.Reset(8, reason.X) }`:           0,
		`func f() { refuse("x", "a text") }`:          1,
		`func f() { other("x") }`:                     0,
		`func f() bool { return e.Token == other() }`: 0,
	} {
		if got := len(literalCodes(parse(t, "a.go", "package a\n"+text), params)); got != want {
			t.Errorf("%s: %d found, want %d", text, got, want)
		}
	}
	count := map[string]int{}
	producers(parse(t, "a.go", "package a\nvar a = reason.A\nvar b = x == reason.B\nfunc f() { switch x { case reason.C: g(reason.D) } }"), count)
	if count["A"] != 1 || count["B"] != 0 || count["C"] != 0 || count["D"] != 1 {
		t.Errorf("producers: %v", count)
	}
}

// discards are the places where the error of sending may be discarded, with what finds the end of
// the stream there.
var discards = map[string]string{
	"internal/call/client/runner.go":      "an attempt that has ended is found out by heard",
	"internal/call/client/stream_send.go": "the next operation, or RecvMsg, finds that the stream has ended; messages have no limit that Send could hit",
}

// TestSendErrorsAreSeen: what was not sent must not be taken for sent. A header section may be
// larger than the peer accepts while the stream is well, so that "a stream that is gone needs no
// status" is no reason.
func TestSendErrorsAreSeen(t *testing.T) {
	used := map[string]bool{}
	for _, s := range readSources(t) {
		if !runtimeSource(s) || strings.HasPrefix(s.path, "internal/transport/http2/") { // h2.Conn.Send has no result
			continue
		}
		for _, n := range discardedSends(s) {
			used[s.path] = true
			if discards[s.path] == "" {
				t.Errorf("%s: the error of sending is discarded", s.pos(n))
			}
		}
	}
	for path := range discards {
		if !used[path] {
			t.Errorf("%s discards no error of sending: take it off the list", path)
		}
	}
}

func discardedSends(s *source) (at []ast.Node) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		var e ast.Expr
		switch n := n.(type) {
		case *ast.ExprStmt:
			e = n.X
		case *ast.DeferStmt:
			e = n.Call
		case *ast.GoStmt:
			e = n.Call
		case *ast.AssignStmt:
			if x, ok := n.Lhs[len(n.Lhs)-1].(*ast.Ident); ok && x.Name == "_" && len(n.Rhs) == 1 {
				e = n.Rhs[0]
			}
		}
		if call, ok := e.(*ast.CallExpr); ok {
			if f, ok := call.Fun.(*ast.SelectorExpr); ok {
				switch f.Sel.Name {
				case "Send", "SendMsg", "CloseSend", "SendHeader", "SendAndClose":
					at = append(at, n)
				}
			}
		}
		return true
	})
	return at
}

func TestDiscardedSendsAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"s.Send(x)":                          1,
		"_ = s.Send(x)":                      1,
		"go s.SendMsg(x)":                    1,
		"defer s.CloseSend()":                1,
		"err := s.Send(x); _ = err":          0,
		"if err := s.Send(x); err != nil {}": 0,
		"_ = s.Recv()":                       0,
	} {
		if got := len(discardedSends(parse(t, "a.go", "package a\nfunc f() { "+text+" }"))); got != want {
			t.Errorf("%s: %d found, want %d", text, got, want)
		}
	}
}
