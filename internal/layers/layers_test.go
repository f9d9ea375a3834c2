package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list -json` tells about a package.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path string }
	Error      *struct{ Err string }
}

func TestImportsRunDown(t *testing.T) {
	readSources(t)
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, p := range list(t, goos) {
			for _, fault := range importFaults(p) {
				t.Errorf("%s: %s", goos, fault)
			}
		}
	}
}

func TestRuntimeDependsOnLittle(t *testing.T) {
	readSources(t)
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, p := range list(t, goos) {
			if fault := moduleFault(p); fault != "" {
				t.Errorf("%s: %s", goos, fault)
			}
		}
	}
}

func TestDirectRequires(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range requireFaults(string(data)) {
		t.Error(fault)
	}
}

// TestBadArrowsAreFound feeds the checks what they exist to refuse.
func TestBadArrowsAreFound(t *testing.T) {
	const m = modulePath
	for _, tc := range []struct {
		from, imports, want string // want: part of the fault; "" for an allowed import
	}{
		{m + "/codes", m, "runs up"},
		{m + "/status", m + "/codes", ""},
		{m + "/status", m + "/internal/mem", "banned"},
		{m + "/internal/h2/frame", m + "/internal/transport", "runs up"},
		{m + "/internal/h2", m + "/internal/h2/frame", ""},
		{m + "/internal/h2/hpack", "net", "banned"},
		{m + "/internal/h2/hpack", "net/netip", "banned"},
		{m + "/internal/h2", "google.golang.org/protobuf/proto", "banned"},
		{m + "/internal/transport/http2", m + "/internal/h2/hpack", ""},
		{m + "/internal/transport/http2", m + "/internal/call/wire", "runs up"},
		{m + "/internal/call/server", m + "/internal/serve", "runs up"},
		{m + "/internal/serve", m + "/internal/channel", "sideways"},
		{m + "/internal/channel", m + "/internal/serve", "sideways"},
		{m, m + "/internal/serve", ""},
		{m, m + "/health", "runs up"},
		{m + "/health", m, ""},
		{m + "/health", m + "/reflection", "sideways"},
		{m + "/health/internal/pb", m + "/health", ""},
		{m, m + "/test/bench", "no package group"},
		{m, m + "/cmd/naru", "no package group"},
		{m + "/cmd/protoc-gen-naru", m + "/codegen", ""},
		{m + "/brandnew", "fmt", "no package group"},
		{m, "unsafe", "banned"},
	} {
		got := importFaults(pkg{ImportPath: tc.from, Imports: []string{tc.imports}})
		switch {
		case tc.want == "" && len(got) > 0:
			t.Errorf("%s -> %s: got %q, want it allowed", tc.from, tc.imports, got)
		case tc.want != "" && !strings.Contains(strings.Join(got, "; "), tc.want):
			t.Errorf("%s -> %s: got %q, want a fault with %q", tc.from, tc.imports, got, tc.want)
		}
	}
}

func TestBadDependenciesAreFound(t *testing.T) {
	for _, path := range []string{"google.golang.org/grpc", "golang.org/x/net", "github.com/google/go-cmp"} {
		p := pkg{ImportPath: path, Module: &struct{ Path string }{path}}
		if moduleFault(p) == "" {
			t.Errorf("a runtime package of %s was let through", path)
		}
	}
	if fault := moduleFault(pkg{ImportPath: "net/http", Standard: true}); fault != "" {
		t.Errorf("standard library refused: %s", fault)
	}

	const good = "require (\n\tgithub.com/google/go-cmp v0.7.0\n\tgithub.com/klauspost/compress v1.0.0\n" +
		"\tgoogle.golang.org/protobuf v1.0.0\n)\nrequire golang.org/x/sys v0.1.0 // indirect\n"
	if got := requireFaults(good); len(got) > 0 {
		t.Errorf("good go.mod refused: %q", got)
	}
	for name, mod := range map[string]string{
		"one more":     good + "require golang.org/x/net v0.62.0\n",
		"one too few":  strings.Replace(good, "\tgithub.com/google/go-cmp v0.7.0\n", "", 1),
		"replacements": good + "replace google.golang.org/protobuf => ../protobuf\n",
	} {
		if len(requireFaults(mod)) == 0 {
			t.Errorf("%s: go.mod was let through:\n%s", name, mod)
		}
	}
}

// importFaults returns a sentence for every import of p that the tables forbid.
func importFaults(p pkg) []string {
	rel, ours := relative(p.ImportPath)
	if !ours {
		return nil
	}
	from, ok := treeOf(p.ImportPath)
	if !ok {
		return []string{fmt.Sprintf("%s is in no package group: give it a row in trees", p.ImportPath)}
	}
	var faults []string
	for _, imp := range p.Imports {
		if exempt(rel, imp) {
			continue
		}
		if f := importFault(p.ImportPath, from, imp); f != "" {
			faults = append(faults, f)
		}
		if f := banFault(rel, imp); f != "" {
			faults = append(faults, f)
		}
	}
	return faults
}

func importFault(fromPath string, from tree, imp string) string {
	if _, ours := relative(imp); !ours {
		return ""
	}
	to, ok := treeOf(imp)
	switch {
	case !ok:
		return fmt.Sprintf("%s imports %s, which is in no package group of the runtime", fromPath, imp)
	case to.path == from.path:
		return ""
	case to.group > from.group:
		return fmt.Sprintf("%s (group %d, %s) imports %s (group %d): the import runs up; %s",
			fromPath, from.group, groups[from.group].name, imp, to.group, groups[from.group].whyNotUp)
	case to.group == from.group && !groups[from.group].sideways:
		return fmt.Sprintf("%s imports %s: the import runs sideways in group %d (%s); %s",
			fromPath, imp, from.group, groups[from.group].name, groups[from.group].whyNotUp)
	}
	return ""
}

func banFault(rel, imp string) string {
	if r, ours := relative(imp); ours {
		imp = r
	}
	for _, b := range bans {
		if under(rel, b.from) && under(imp, b.imports) {
			return fmt.Sprintf("%s imports %s: banned, because %s", rel, imp, b.why)
		}
	}
	return ""
}

func exempt(rel, imp string) bool {
	if r, ours := relative(imp); ours {
		imp = r
	}
	return slices.ContainsFunc(exemptions, func(e exemption) bool {
		return e.from == rel && e.imports == imp
	})
}

func moduleFault(p pkg) string {
	if p.Standard {
		return ""
	}
	if p.Module == nil {
		return p.ImportPath + " belongs to no module"
	}
	if _, ok := runtimeModules[p.Module.Path]; !ok {
		return fmt.Sprintf("%s of module %s would be linked into every user's program: "+
			"put what needs it into a module of its own", p.ImportPath, p.Module.Path)
	}
	return ""
}

// requireFaults compares the direct requirements of a go.mod with directRequires.
func requireFaults(mod string) []string {
	var faults []string
	found := map[string]bool{}
	block := ""
	for line := range strings.Lines(mod) {
		code, comment, _ := strings.Cut(strings.TrimSpace(line), "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block != "":
			words = append([]string{block}, words...)
		}
		switch {
		case words[0] == "replace" || words[0] == "tool":
			faults = append(faults, "go.mod: the runtime module has no business with: "+strings.TrimSpace(line))
		case words[0] == "require" && strings.TrimSpace(comment) != "indirect":
			found[words[1]] = true
		}
	}
	for path := range found {
		if _, ok := directRequires[path]; !ok {
			faults = append(faults, "go.mod requires "+path+", which is not on the list of direct requirements")
		}
	}
	for path, why := range directRequires {
		if !found[path] {
			faults = append(faults, fmt.Sprintf("go.mod no longer requires %s (%s): take it off the list", path, why))
		}
	}
	return faults
}

// list runs go list over the runtime module and everything it links, as goos would build it.
func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Module,Error", "./...")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: bad JSON: %v", err)
		}
		if p.Error != nil {
			t.Errorf("go list: %s: %s", p.ImportPath, p.Error.Err)
		}
		pkgs = append(pkgs, p)
	}
	// The root package with everything below it is well over fifty; fewer means that the
	// list was taken in the wrong place and every check above passed on nothing.
	if len(pkgs) < 50 {
		t.Fatalf("go list found only %d packages in %s", len(pkgs), cmd.Dir)
	}
	return pkgs
}
