package gen

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// goTarget is the Go package of one .proto file and the folder its code goes to.
type goTarget struct {
	importPath string
	name       string // package name; "" lets protogen derive it
	dir        string // absolute; "" for a file that is only imported
	explicit   bool   // go_package or the command line says it all: nothing to tell protogen
}

// planner decides on Go packages. Used by one goroutine.
type planner struct {
	env     *cli.Env
	c       *config
	result  *protosrc.Result
	modules *gomod.Finder
	given   map[string]string // --go-package
}

func newPlanner(env *cli.Env, c *config, result *protosrc.Result) *planner {
	p := &planner{env: env, c: c, result: result, modules: c.modules, given: map[string]string{}}
	for _, m := range c.goPackage {
		file, path, _ := strings.Cut(m, "=")
		p.given[file] = path
	}
	return p
}

// plan returns the Go packages of all files, by import name.
func (p *planner) plan(generate map[string]bool) (map[string]*goTarget, error) {
	targets := map[string]*goTarget{}
	names := map[string]string{} // import path: package name that an option gave
	p.leaveOutEmpty(generate)
	for _, f := range p.result.Files {
		t, err := p.target(f, generate[f.GetName()])
		if err == nil {
			err = p.check(f, t)
		}
		if err != nil {
			return nil, err
		}
		targets[f.GetName()] = t
		if t.explicit && t.name != "" {
			names[t.importPath] = t.name
		}
	}
	for _, t := range targets {
		if name := names[t.importPath]; !t.explicit && name != "" {
			t.name = name
		}
	}
	return targets, nil
}

// leaveOutEmpty takes out of the run the files that declare nothing and have no go_package, if no
// other file imports them: such as a file that is there for options of its own. There is no code to
// write for them, and no place for it.
func (p *planner) leaveOutEmpty(generate map[string]bool) {
	imported := map[string]bool{}
	for _, f := range p.result.Files {
		for _, name := range f.Dependency {
			imported[name] = true
		}
	}
	empty := func(f *descriptorpb.FileDescriptorProto) bool {
		declares := len(f.MessageType)+len(f.EnumType)+len(f.Service)+len(f.Extension) > 0
		known := f.GetOptions().GetGoPackage() != "" || p.given[f.GetName()] != ""
		source := p.result.Path(f.GetName())
		return !declares && !known && !imported[f.GetName()] && source != "" && p.modules.Of(filepath.Dir(source)).Path == ""
	}
	if !slices.ContainsFunc(p.result.Files, func(f *descriptorpb.FileDescriptorProto) bool { return generate[f.GetName()] && !empty(f) }) {
		return // nothing would be left: say what the files lack
	}
	p.result.Files = slices.DeleteFunc(p.result.Files, func(f *descriptorpb.FileDescriptorProto) bool {
		if !empty(f) {
			return false
		}
		delete(generate, f.GetName())
		return true
	})
}

// target decides on one file.
func (p *planner) target(f *descriptorpb.FileDescriptorProto, generate bool) (*goTarget, error) {
	option := f.GetOptions().GetGoPackage()
	importPath, name, _ := strings.Cut(option, ";")
	t := &goTarget{importPath: importPath, name: name, explicit: true}
	if given, ok := p.given[f.GetName()]; ok {
		t.explicit = false
		t.importPath, name, _ = strings.Cut(given, ";")
		if name != "" {
			t.name = name
		}
	}
	source := p.result.Path(f.GetName())
	if source == "" {
		return t, nil // built in: only ever imported, and with a go_package
	}
	if pkg := p.result.GoPackage(f.GetName()); pkg != "" {
		// The package that exists counts, whatever the option says.
		if at := p.modules.PackageIn(filepath.Dir(source)); at != "" {
			t.importPath, t.name, t.explicit = at, pkg, false
		}
		return t, nil
	}
	if t.importPath == "" {
		p.takeFromNeighbors(t, f, source)
	}
	if isRelative(t.importPath) {
		return t, p.complete(t, f.GetName(), source)
	}
	t.dir = p.dir(t, f.GetName(), source)
	if t.dir == "" && generate {
		return nil, cli.WithHint(fmt.Errorf("%s: its Go package %s does not start with --module %s", f.GetName(), t.importPath, p.c.module),
			"name only files of that module, or leave --module out")
	}
	return t, nil
}

// takeFromNeighbors gives a file without go_package that of the files in its folder and of its
// package, if they agree on one.
func (p *planner) takeFromNeighbors(t *goTarget, f *descriptorpb.FileDescriptorProto, source string) {
	found := ""
	for _, other := range p.result.Files {
		option := other.GetOptions().GetGoPackage()
		importPath, _, _ := strings.Cut(option, ";")
		if option == "" || isRelative(importPath) || other.GetPackage() != f.GetPackage() ||
			filepath.Dir(p.result.Path(other.GetName())) != filepath.Dir(source) {
			continue
		}
		if found != "" && found != option {
			return
		}
		found = option
	}
	if found != "" {
		t.importPath, t.name, _ = strings.Cut(found, ";")
		t.explicit = false
	}
}

// isRelative reports whether a go_package is no import path but a folder: "", ".", "./pb", "pb".
func isRelative(importPath string) bool {
	return !strings.Contains(importPath, "/") && !strings.Contains(importPath, ".") ||
		strings.HasPrefix(importPath, "./") || strings.HasPrefix(importPath, "../") || importPath == "." || importPath == ".."
}

// complete makes an import path out of a folder and the Go module around it.
func (p *planner) complete(t *goTarget, name, source string) error {
	folder := t.importPath
	switch {
	case folder == "" && p.byImport():
		return p.noPackage(name, "with --paths=import or --module its Go package has to be known")
	case path.Clean(folder) == ".":
		t.dir = p.relativeDir(name, source)
	case p.bySource():
		t.dir = p.relativeDir(name, source)
		if t.name == "" {
			t.name = path.Base(folder)
		}
	case p.c.out == "" && p.c.paths == "" && strings.HasSuffix("/"+filepath.ToSlash(filepath.Dir(source)), "/"+path.Clean(folder)):
		t.dir = filepath.Dir(source) // the file lies in the folder that is meant
	default:
		// protoc takes the folder from where it writes; with everything beside its source that is
		// the root.
		t.dir = filepath.Join(p.outRoot(name, source), filepath.FromSlash(folder))
	}
	mod := p.modules.Of(t.dir)
	t.importPath = mod.ImportPath(t.dir)
	if t.importPath == "" {
		return p.noPackage(name, "there is no go.mod around "+shown(p.env, t.dir)+" to take one from")
	}
	if t.name == "" {
		t.name = packageName(t.dir, t.importPath)
	}
	t.explicit = false
	return nil
}

func (p *planner) noPackage(name, why string) error {
	others := 0
	for _, f := range p.result.Files {
		if importPath, _, _ := strings.Cut(f.GetOptions().GetGoPackage(), ";"); f.GetName() != name && p.result.Path(f.GetName()) != "" && importPath == "" {
			others++
		}
	}
	also := ""
	if others > 0 {
		also = fmt.Sprintf(" (nor have %s)", plural(others, "other file"))
	}
	return cli.WithHint(fmt.Errorf("%s has no option go_package with an import path%s, and %s", name, also, why),
		"add to the file: option go_package = \"example.com/module/folder\";\nor give --go-package %s=example.com/module/folder", name)
}

// byImport reports whether the Go package's path decides where code goes.
func (p *planner) byImport() bool {
	return p.c.paths == "import" || p.c.paths == "" && p.c.module != ""
}

// bySource reports whether the source's path alone decides.
func (p *planner) bySource() bool {
	return p.c.paths == "source_relative" || p.c.paths == "" && p.c.out != "" && p.c.module == ""
}

// relativeDir returns the folder for code that goes by the source's path.
func (p *planner) relativeDir(name, source string) string {
	if p.c.out == "" && p.c.paths == "" {
		return filepath.Dir(source)
	}
	return filepath.Join(p.env.Path(p.c.out), filepath.FromSlash(path.Dir(name)))
}

// outRoot returns the folder that a relative go_package starts from.
func (p *planner) outRoot(name, source string) string {
	if p.c.out != "" || p.c.paths != "" || p.c.module != "" {
		return p.env.Path(p.c.out)
	}
	root, ok := strings.CutSuffix(source, filepath.FromSlash(name))
	if !ok { // names that start with a module's path
		return filepath.Dir(source)
	}
	return root
}

// dir returns the folder for a file with an import path; "" if --module excludes it.
func (p *planner) dir(t *goTarget, name, source string) string {
	if p.byImport() {
		rest := t.importPath
		if p.c.module != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(t.importPath+"/", strings.TrimSuffix(p.c.module, "/")+"/"); !ok {
				return ""
			}
		}
		return filepath.Join(p.env.Path(p.c.out), filepath.FromSlash(rest))
	}
	if p.c.out == "" && p.c.paths == "" {
		if dir, ok := p.modules.Of(filepath.Dir(source)).Folder(t.importPath); ok {
			return dir
		}
	}
	return p.relativeDir(name, source)
}
