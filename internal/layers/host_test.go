package layers

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// hostCalls change the process of the program that links the library, or the output of all of it.
// The collector's pace, the scheduler's turns and the default logger are the program's: a library
// that is faster at their expense makes everything beside it slower or larger.
var hostCalls = []string{
	"debug.SetGCPercent", "debug.SetMemoryLimit", "debug.SetMaxStack", "debug.SetMaxThreads", "debug.SetPanicOnFault",
	"debug.SetTraceback", "debug.FreeOSMemory", "runtime.GC", "runtime.GOMAXPROCS", "runtime.LockOSThread",
	"slog.SetDefault", "log.SetOutput", "log.SetFlags", "log.SetPrefix", "http.Handle", "http.HandleFunc",
	"os.Setenv", "os.Unsetenv", "os.Chdir", "os.Exit", "signal.Ignore", "signal.Notify", "signal.NotifyContext",
	"syscall.SYS_SCHED_YIELD", "unix.SYS_SCHED_YIELD", "unix.SchedYield", "syscall.Setrlimit", "unix.Setrlimit",
}

// hostUses are the calls that a user asks for by name.
var hostUses = map[string]string{
	"internal/leak/leak.go os.Exit": "the end of a test binary, in narutest.VerifyTestMain",
	"run.go signal.NotifyContext":   "naru.Run, which a main calls to be stopped by signals",
}

// hostFaults returns where a file of the runtime changes its host's process.
func hostFaults(s *source) (faults []string, used []string) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && asks(call) {
			return false
		}
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok || !slices.Contains(hostCalls, x.Name+"."+sel.Sel.Name) {
			return true
		}
		use := s.path + " " + x.Name + "." + sel.Sel.Name
		if _, ok := hostUses[use]; ok {
			used = append(used, use)
		} else {
			faults = append(faults, s.pos(n)+": "+x.Name+"."+sel.Sel.Name)
		}
		return true
	})
	return faults, used
}

// asks reports whether a call only reads the setting: GOMAXPROCS below 1, SetMemoryLimit below 0.
func asks(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) != 1 {
		return false
	}
	switch arg := call.Args[0].(type) {
	case *ast.BasicLit:
		return sel.Sel.Name == "GOMAXPROCS" && arg.Value == "0"
	case *ast.UnaryExpr:
		return arg.Op == token.SUB && (sel.Sel.Name == "GOMAXPROCS" || sel.Sel.Name == "SetMemoryLimit")
	}
	return false
}

// TestTheHostIsLeftAlone reads the library, which is what programs link, for calls that change more
// than itself.
func TestTheHostIsLeftAlone(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range readSources(t) {
		if s.test() || !linked(s.path) {
			continue
		}
		faults, used := hostFaults(s)
		for _, f := range faults {
			t.Errorf("%s changes the process of the program that links the library", f)
		}
		for _, u := range used {
			seen[u] = true
		}
	}
	for use := range hostUses {
		if !seen[use] {
			t.Errorf("%s is allowed and not used", use)
		}
	}
}

// linked reports whether a file may be part of a program that uses the library, commands apart.
func linked(path string) bool {
	for _, other := range []string{"cmd/", "examples/", "test/", "tools/", "scripts/", "health/narucli/"} {
		if strings.HasPrefix(path, other) {
			return false
		}
	}
	return true
}

func TestHostCallsAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"package a\nvar x = debug.SetGCPercent(400)":     1,
		"package a\nfunc f() { runtime.GC() }":           1,
		"package a\nvar n = runtime.GOMAXPROCS(0)":       0,
		"package a\nvar n = runtime.GOMAXPROCS(4)":       1,
		"package a\nvar n = debug.SetMemoryLimit(-1)":    0,
		"package a\nvar n = debug.SetMemoryLimit(1<<30)": 1,
		"package a\nvar f = syscall.SYS_SCHED_YIELD":     1,
		"package a\nvar g = runtime.Gosched":             0,
	} {
		if got, _ := hostFaults(parse(t, "a.go", text)); len(got) != want {
			t.Errorf("%q: %v, want %d", text, got, want)
		}
	}
}
