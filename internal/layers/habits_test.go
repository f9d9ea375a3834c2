package layers

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// A leave lifts one habit for one file.
type leave struct{ path, habit, why string }

var leaves = []leave{
	{"limits/limits.go", "wide struct", "plain values, in one place on purpose: one struct of all limits"},
}

// TestHabits reads every file of every module for what the project does not do.
func TestHabits(t *testing.T) {
	sources := readSources(t)
	used := map[leave]bool{}
	for _, s := range sources {
		if s.generated() {
			continue
		}
		for _, f := range habitFaults(s) {
			i := slices.IndexFunc(leaves, func(l leave) bool { return l.path == s.path && l.habit == f.habit })
			if i >= 0 {
				used[leaves[i]] = true
				continue
			}
			t.Errorf("%s: %s", f.pos, f.text)
		}
	}
	for _, l := range leaves {
		if !used[l] {
			t.Errorf("the leave of %s from %q (%s) is no longer needed", l.path, l.habit, l.why)
		}
	}
}

func TestBrokenHabitsAreFound(t *testing.T) {
	for _, tc := range []struct{ path, text, want string }{
		{"a.go", "package a\nfunc init() {}", "init"},
		{"a_test.go", "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }", "sleep"},
		{"a.go", "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }", ""},
		{"a_test.go", "package a\nimport (\n\"testing/synctest\"\n\"time\"\n)\nfunc f() { synctest.Wait(); time.Sleep(1) }", ""},
		{"a.go", "package a\n\n// TO" + "DO: later\nfunc f() {}", "mark"},
		{"internal/h2/a.go", "package h2\nfunc f() { go f() }", "pure"},
		{"internal/h2/a.go", "package h2\nimport \"time\"\nvar x = time.Now()", "pure"},
		{"internal/h2/a.go", "package h2\nimport \"time\"\nvar x = time.Second", ""},
		{"internal/h2/a_test.go", "package h2\nfunc f() { go f() }", ""},
		{"internal/h2x/a.go", "package h2x\nfunc f() { go f() }", ""},
		{"a.go", "package a\n" + strings.Repeat("\n", maxLines), "long file"},
		{"a.go", "package a\nfunc f() {" + strings.Repeat("\n", maxFunc+1) + "}", "long function"},
		{"a.go", "package a\ntype t struct {" + strings.Repeat("\nx int", maxMutable+1) + "\n}", "wide struct"},
		{"a.go", "package a\ntype t struct {\n" + strings.Repeat("x, ", maxMutable) + "y int\n}", "wide struct"},
		{"a.go", "package a\ntype t struct {" + strings.Repeat("\nx int", maxMutable) + "\n}", ""},
		{"a.go", "package a\ntype t struct {\n// immutable\n" + strings.Repeat("\nx int", maxMutable+1) + "\n}", ""},
		{"a.go", "package a\ntype t struct {\n// immutable\n" + strings.Repeat("\nx int", 9) + "\n\n// guarded by mu" + strings.Repeat("\nx int", maxMutable+1) + "\n}", "wide struct"},
		{"a_test.go", "package a\ntype t struct {" + strings.Repeat("\nx int", maxMutable+1) + "\n}", ""},
	} {
		got := habitFaults(parse(t, tc.path, tc.text))
		switch {
		case tc.want == "" && len(got) > 0:
			t.Errorf("%s %q: got %v, want none", tc.path, tc.text, got)
		case tc.want != "" && (len(got) != 1 || got[0].habit != tc.want):
			t.Errorf("%s %q: got %v, want one %q", tc.path, tc.text, got, tc.want)
		}
	}
}

// Beyond these a file or a function wants a leave with its reason.
const (
	maxLines    = 600
	maxFunc     = 80
	maxTestFunc = 120 // a table and its loop are one thing
	maxMutable  = 25  // fields of a struct that change after it was made
)

type habitFault struct{ habit, pos, text string }

func habitFaults(s *source) []habitFault {
	var faults []habitFault
	add := func(habit string, n ast.Node, format string, args ...any) {
		faults = append(faults, habitFault{habit, s.pos(n), fmt.Sprintf(format, args...)})
	}
	if lines := strings.Count(string(s.text), "\n") + 1; lines > maxLines {
		add("long file", s.file, "%d lines: is this one subject?", lines)
	}
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if unfinished(c.Text) {
				add("mark", c, "an unfinished thing: %s", c.Text)
			}
		}
	}
	virtual := slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool {
		return i.Path.Value == `"testing/synctest"` // there a sleep takes no time and races with nothing
	})
	pure := strings.HasPrefix(s.path, "internal/h2/") && !s.test()
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				add("init", n, "init(): what is registered at start is assembled in one visible function instead")
			}
			from, to := s.fset.Position(n.Pos()).Line, s.fset.Position(n.End()).Line
			limit := maxFunc
			if s.test() {
				limit = maxTestFunc
			}
			if to-from > limit {
				add("long function", n, "%s has %d lines", n.Name.Name, to-from)
			}
		case *ast.TypeSpec:
			if st, ok := n.Type.(*ast.StructType); ok && !s.test() {
				if fields := mutableFields(s, st); fields > maxMutable {
					add("wide struct", n, "%s has %d mutable fields: split it by subject", n.Name.Name, fields)
				}
			}
		case *ast.GoStmt:
			if pure {
				add("pure", n, "internal/h2 starts no goroutines")
			}
		case *ast.SelectorExpr:
			switch name := timeFunc(n); {
			case name == "Sleep" && s.test() && !virtual:
				add("sleep", n, "time.Sleep in a test: use testing/synctest, or wait for the event itself")
			case name != "" && pure:
				add("pure", n, "time.%s in internal/h2: time is an argument", name)
			}
		}
		return true
	})
	return faults
}

// mutableFields counts the fields of a struct that are not in a group labeled immutable. A group
// begins with a comment that stands on lines of its own after an empty line or at the head.
func mutableFields(s *source, st *ast.StructType) int {
	line := func(p token.Pos) int { return s.fset.Position(p).Line }
	labels := map[int]string{} // last line of a comment: its text
	for _, g := range s.file.Comments {
		if g.Pos() > st.Pos() && g.End() < st.End() {
			labels[line(g.End())] = g.Text()
		}
	}
	n, immutable, previous := 0, false, line(st.Pos())
	for _, f := range st.Fields.List {
		begins := line(f.Pos())
		if f.Doc != nil {
			begins = line(f.Doc.Pos())
		}
		for l := previous; l < line(f.Pos()); l++ {
			if text, ok := labels[l]; ok && startsGroup(s, l, text, previous) {
				immutable = strings.HasPrefix(strings.ToLower(text), "immutable")
			}
		}
		previous = max(line(f.End()), begins)
		if !immutable {
			n += max(1, len(f.Names))
		}
	}
	return n
}

// startsGroup reports whether the comment that ends on a line stands below an empty line or at
// the head of the struct, which begins, or whose last field ended, on line previous.
func startsGroup(s *source, end int, text string, previous int) bool {
	first := end - strings.Count(strings.TrimRight(text, "\n"), "\n")
	if first <= previous {
		return false // behind a field
	}
	lines := strings.Split(string(s.text), "\n")
	above := strings.TrimSpace(lines[first-2])
	return above == "" || strings.HasSuffix(above, "struct {")
}

// timeFunc returns the name of a function of package time that looks at the clock.
func timeFunc(sel *ast.SelectorExpr) string {
	x, ok := sel.X.(*ast.Ident)
	if !ok || x.Name != "time" {
		return ""
	}
	switch sel.Sel.Name {
	case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick":
		return sel.Sel.Name
	}
	return ""
}

func unfinished(comment string) bool {
	for _, mark := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"} {
		if strings.Contains(comment, mark) {
			return true
		}
	}
	return false
}
