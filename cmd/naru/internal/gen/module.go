package gen

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// goModule is a Go module on disk. The zero value means none was found.
type goModule struct {
	dir  string
	path string
}

// modules finds the Go module of a folder and remembers it. Used by one goroutine.
type modules map[string]goModule

var moduleLine = regexp.MustCompile(`(?m)^\s*module\s+(?:"([^"]+)"|(\S+))`)

// of returns the module that holds dir, which need not exist yet.
func (m modules) of(dir string) goModule {
	if mod, ok := m[dir]; ok {
		return mod
	}
	var mod goModule
	if data, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
		if match := moduleLine.FindSubmatch(data); match != nil {
			mod = goModule{dir: dir, path: string(match[1]) + string(match[2])}
		}
	} else if parent := filepath.Dir(dir); parent != dir {
		mod = m.of(parent)
	}
	m[dir] = mod
	return mod
}

// importPath returns the import path of the package in dir, "" if the module is none.
func (mod goModule) importPath(dir string) string {
	rel, err := filepath.Rel(mod.dir, dir)
	if mod.path == "" || err != nil {
		return ""
	}
	return path.Join(mod.path, filepath.ToSlash(rel))
}

// folder returns where the package with an import path lies if it belongs to the module.
func (mod goModule) folder(importPath string) (dir string, ok bool) {
	if mod.path == "" {
		return "", false
	}
	if importPath == mod.path {
		return mod.dir, true
	}
	rest, ok := strings.CutPrefix(importPath, mod.path+"/")
	return filepath.Join(mod.dir, filepath.FromSlash(rest)), ok
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// packageName returns the name for a package in dir that no option names: that of the Go files already
// there, else the last part of the import path that is not a major version; "" if that is no name.
func packageName(dir, importPath string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		if parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.PackageClauseOnly); err == nil {
			return parsed.Name.Name
		}
	}
	name := path.Base(importPath)
	if parent := path.Dir(importPath); majorVersion.MatchString(name) && parent != "." && isFile(filepath.Join(dir, "go.mod")) {
		name = path.Base(parent)
	}
	if !token.IsIdentifier(name) {
		return ""
	}
	return name
}
