// Package gomod reads the Go modules around a folder: their paths, and where the modules they
// require lie on disk. It starts no process and downloads nothing.
package gomod

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Module is a Go module on disk. The zero value means that none was found.
type Module struct {
	// Dir is the module's folder, absolute.
	Dir string
	// Path is the module path, such as example.com/shop/v2.
	Path string
}

// ImportPath returns the import path of the package in dir, "" for the zero Module.
func (m Module) ImportPath(dir string) string {
	rel, err := filepath.Rel(m.Dir, dir)
	if m.Path == "" || err != nil {
		return ""
	}
	return path.Join(m.Path, filepath.ToSlash(rel))
}

// Folder returns the folder of the package with an import path, if it belongs to the module.
func (m Module) Folder(importPath string) (dir string, ok bool) {
	if m.Path == "" {
		return "", false
	}
	if importPath == m.Path {
		return m.Dir, true
	}
	rest, ok := strings.CutPrefix(importPath, m.Path+"/")
	return filepath.Join(m.Dir, filepath.FromSlash(rest)), ok
}

// Dependency is a module that another one requires.
type Dependency struct {
	Path, Version string
	// Dir is the folder of its files, "" if they are not on this machine.
	Dir string
	// Direct reports whether go.mod lists it without "// indirect".
	Direct bool
}

// Finder finds modules and remembers them. Create it with New. It is not safe for concurrent use.
type Finder struct {
	cache string // GOMODCACHE
	byDir map[string]Module
	files map[string]*modfile.File
	deps  map[string][]Dependency
}

// New returns a Finder. getenv looks up environment variables, as os.Getenv does.
func New(getenv func(string) string) *Finder {
	return &Finder{
		cache: cacheDir(getenv),
		byDir: map[string]Module{},
		files: map[string]*modfile.File{},
		deps:  map[string][]Dependency{},
	}
}

// cacheDir returns the module cache's folder: https://go.dev/ref/mod#module-cache.
func cacheDir(getenv func(string) string) string {
	if dir := getenv("GOMODCACHE"); dir != "" {
		return dir
	}
	if list := filepath.SplitList(getenv("GOPATH")); len(list) > 0 && list[0] != "" {
		return filepath.Join(list[0], "pkg", "mod")
	}
	home := getenv("HOME")
	if home == "" {
		home = getenv("USERPROFILE")
	}
	if home == "" {
		return ""
	}
	return filepath.Join(home, "go", "pkg", "mod")
}

// Of returns the module that holds dir, which need not exist.
func (f *Finder) Of(dir string) Module {
	if m, ok := f.byDir[dir]; ok {
		return m
	}
	var m Module
	if file := f.read(dir); file != nil {
		m = Module{Dir: dir, Path: file.Module.Mod.Path}
	} else if parent := filepath.Dir(dir); parent != dir {
		m = f.Of(parent)
	}
	f.byDir[dir] = m
	return m
}

// PackageIn returns the import path of the package in dir, which may lie in a module that
// Dependencies returned; "" if there is no module around it.
func (f *Finder) PackageIn(dir string) string {
	var best Module
	for _, deps := range f.deps {
		for _, d := range deps {
			rel, err := filepath.Rel(d.Dir, dir)
			if d.Dir != "" && err == nil && filepath.IsLocal(rel) && len(d.Dir) > len(best.Dir) {
				best = Module{Dir: d.Dir, Path: d.Path}
			}
		}
	}
	if best.Dir == "" {
		best = f.Of(dir)
	}
	return best.ImportPath(dir)
}

// read returns the go.mod in dir; nil for none or one without a module line.
func (f *Finder) read(dir string) *modfile.File {
	name := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	file, err := modfile.Parse(name, data, nil)
	if err != nil {
		// Written for a go command that knows more. ParseLax reads what is left, but no
		// replacements.
		file, err = modfile.ParseLax(name, data, nil)
	}
	if err != nil || file.Module == nil || file.Module.Mod.Path == "" {
		return nil
	}
	f.files[dir] = file
	return file
}

// Dependencies returns the modules that m requires, direct ones first, each in the order of go.mod.
// Replacements by folders and the folders of a go.work file above m are taken into account.
func (f *Finder) Dependencies(m Module) []Dependency {
	if deps, ok := f.deps[m.Dir]; ok {
		return deps
	}
	file := f.files[m.Dir]
	if file == nil {
		return nil
	}
	workspace := f.workspace(m.Dir)
	var direct, indirect []Dependency
	for _, r := range file.Require {
		d := Dependency{Path: r.Mod.Path, Version: r.Mod.Version, Direct: !r.Indirect}
		if d.Dir = workspace[d.Path]; d.Dir == "" {
			d.Dir = f.locate(m.Dir, file, r.Mod)
		}
		if d.Direct {
			direct = append(direct, d)
		} else {
			indirect = append(indirect, d)
		}
	}
	deps := append(direct, indirect...)
	f.deps[m.Dir] = deps
	return deps
}

// locate returns the folder of a required module's files: a replacement's, that of a vendor folder,
// or that of the module cache; "" if there is none.
func (f *Finder) locate(dir string, file *modfile.File, mod module.Version) string {
	for _, r := range file.Replace {
		if r.Old.Path != mod.Path || r.Old.Version != "" && r.Old.Version != mod.Version {
			continue
		}
		if r.New.Version == "" {
			return folder(absolute(dir, r.New.Path))
		}
		mod = r.New
	}
	if vendored := folder(filepath.Join(dir, "vendor", filepath.FromSlash(mod.Path))); vendored != "" {
		return vendored
	}
	escapedPath, err := module.EscapePath(mod.Path)
	if err != nil || f.cache == "" {
		return ""
	}
	escapedVersion, err := module.EscapeVersion(mod.Version)
	if err != nil {
		return ""
	}
	return folder(filepath.Join(f.cache, filepath.FromSlash(escapedPath)+"@"+escapedVersion))
}

// workspace returns the folders of the modules that the nearest go.work file around dir uses, by
// module path.
func (f *Finder) workspace(dir string) map[string]string {
	for {
		name := filepath.Join(dir, "go.work")
		if data, err := os.ReadFile(name); err == nil {
			dirs := map[string]string{}
			work, err := modfile.ParseWork(name, data, nil)
			if err != nil {
				return nil
			}
			for _, use := range work.Use {
				at := absolute(dir, use.Path)
				if m := f.Of(at); m.Dir == at {
					dirs[m.Path] = at
				}
			}
			return dirs
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func absolute(dir, path string) string {
	path = filepath.FromSlash(path)
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// folder returns dir if it is one, else "".
func folder(dir string) string {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}
