package layout

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// resolve returns the file that an import means and the root it is found from. ok is false for a
// built-in file and for one that is not found.
func (f *finder) resolve(from *file, name string) (found string, r root, ok bool) {
	if !fs.ValidPath(name) {
		return "", root{}, false // the compiler reports it
	}
	if pkg, parts := f.packageRoot(from); parts > 0 && isFile(filepath.Join(pkg.dir, filepath.FromSlash(name))) {
		return filepath.Join(pkg.dir, filepath.FromSlash(name)), pkg, true
	}
	anywhere := func(from *file, name string) (string, root, bool) {
		if !strings.Contains(name, "/") {
			return "", root{}, false
		}
		return f.elsewhere(from, name, func(string) bool { return true })
	}
	for _, find := range []func(*file, string) (string, root, bool){f.around, f.byModulePath, anywhere, f.inDependencies, f.byPackage, f.inGoCode} {
		if found, r, ok = find(from, name); ok {
			return found, r, true
		}
	}
	return "", root{}, false
}

// around looks in the folders from the importing file up to the top.
func (f *finder) around(from *file, name string) (string, root, bool) {
	top := f.top(from.path)
	for dir := filepath.Dir(from.path); ; dir = filepath.Dir(dir) {
		if file := filepath.Join(dir, filepath.FromSlash(name)); isFile(file) {
			return file, root{dir: dir}, true
		}
		if dir == top || dir == filepath.Dir(dir) {
			return "", root{}, false
		}
	}
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// byModulePath takes a module's path, or the last parts of it, off the name:
// example.com/shop/api/cart.proto and shop/api/cart.proto are api/cart.proto of module
// example.com/shop. The folder's own name is taken for such a part too.
func (f *finder) byModulePath(from *file, name string) (string, root, bool) {
	top := f.top(from.path)
	for dir := filepath.Dir(from.path); ; dir = filepath.Dir(dir) {
		modulePath := ""
		if m := f.Modules.Of(dir); m.Dir == dir {
			modulePath = m.Path
		}
		for _, prefix := range prefixes(modulePath, filepath.Base(dir)) {
			if file, r, ok := below(root{dir, prefix + "/"}, name); ok {
				return file, r, true
			}
		}
		if dir == top || dir == filepath.Dir(dir) {
			return "", root{}, false
		}
	}
}

// prefixes returns the parts at the end of a module path, the longest first, and the name of its
// folder.
func prefixes(modulePath, folder string) []string {
	var all []string
	add := func(p string) {
		for p != "" {
			all = append(all, p)
			_, p, _ = strings.Cut(p, "/")
		}
	}
	add(modulePath)
	if dir, last := path.Split(modulePath); majorVersion.MatchString(last) {
		add(strings.TrimSuffix(dir, "/"))
	}
	return append(all, folder)
}

// below looks for a name with the root's prefix.
func below(r root, name string) (string, root, bool) {
	rest, ok := strings.CutPrefix(name, r.prefix)
	file := filepath.Join(r.dir, filepath.FromSlash(rest))
	return file, r, ok && isFile(file)
}

// elsewhere looks for files of the run and its repositories whose paths end with the name. The one
// that has most folders in common with the importing file is taken, then the one with the shortest
// path.
func (f *finder) elsewhere(from *file, name string, allowed func(path string) bool) (string, root, bool) {
	if strings.HasPrefix(name, "google/protobuf/") && protosrc.Builtin(name) != nil {
		return "", root{}, false
	}
	suffix := string(filepath.Separator) + filepath.FromSlash(name)
	best, most := "", -1
	for _, file := range f.byBase(path.Base(name)) {
		n := common(from.path, file)
		if strings.HasSuffix(file, suffix) && (n > most || n == most && len(file) < len(best)) && allowed(file) {
			best, most = file, n
		}
	}
	if best == "" {
		return "", root{}, false
	}
	return best, root{dir: strings.TrimSuffix(best, suffix)}, true
}

// common returns how many bytes of path the folders have that a and b are both in.
func common(a, b string) int {
	n := 0
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == filepath.Separator {
			n = i
		}
	}
	return n
}

// inDependencies looks in the modules that go.mod requires: below their module paths, and below the
// folders of a module that commonly hold .proto files. A module nested in a
// required one is found by its own line in go.mod.
func (f *finder) inDependencies(from *file, name string) (string, root, bool) {
	if protosrc.Builtin(name) != nil {
		return "", root{}, false
	}
	for _, m := range f.modulesFor(from) {
		for _, d := range f.Modules.Dependencies(m) {
			if d.Dir == "" {
				continue
			}
			if file, r, ok := below(root{d.Dir, d.Path + "/"}, name); ok {
				return file, r, true
			}
			for _, folder := range [...]string{"", "proto", "protos", "protobuf", "api", "third_party", "third_party/proto"} {
				if file, r, ok := below(root{dir: filepath.Join(d.Dir, folder)}, name); ok {
					return file, r, true
				}
			}
		}
	}
	return "", root{}, false
}

// modulesFor returns the module around a file and those of the run, which decide about the versions
// of others.
func (f *finder) modulesFor(from *file) []gomod.Module {
	all := []gomod.Module{f.Modules.Of(filepath.Dir(from.path))}
	for _, dir := range append(f.Bases[:len(f.Bases):len(f.Bases)], f.Dir) {
		all = append(all, f.Modules.Of(dir))
	}
	return all
}

// top returns where a search upwards from a file ends: the folder of its repository, else that of
// its Go module, else the top of the file system.
func (f *finder) top(file string) string {
	start := filepath.Dir(file)
	if top, ok := f.tops[start]; ok {
		return top
	}
	top := ""
	dir := start
	for ; ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, ".git")) {
			top = dir
			break
		}
		if top == "" && isFile(filepath.Join(dir, "go.mod")) {
			top = dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if top == "" {
		top = dir
	}
	f.tops[start] = top
	return top
}

// byBase returns the .proto files with a base name in the run and its repositories.
func (f *finder) byBase(base string) []string {
	if f.index == nil {
		f.index = map[string][]string{}
		walked := map[string]bool{}
		for _, file := range f.Files {
			f.index[filepath.Base(file)] = append(f.index[filepath.Base(file)], file)
		}
		for _, file := range f.Files {
			if top := f.top(file); !walked[top] && top != filepath.Dir(top) {
				walked[top] = true
				f.walk(top)
			}
		}
	}
	return f.index[base]
}

// walk enters the .proto files below a repository's folder into the index. Unlike files to generate
// from, those to import may lie in folders that hold what others maintain.
func (f *finder) walk(top string) {
	_ = filepath.WalkDir(top, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // a folder that cannot be read holds nothing to import
		case entry.IsDir():
			name := entry.Name()
			if file != top && (name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
		case filepath.Ext(file) == ".proto":
			f.index[entry.Name()] = append(f.index[entry.Name()], file)
		}
		return nil
	})
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
