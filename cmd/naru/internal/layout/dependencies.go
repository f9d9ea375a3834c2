package layout

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/gocode"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// byPackage takes parts off the front of the name that are in no path: in a repository whose folder
// google/maps was made its root, google/maps/x/v1/a.proto is x/v1/a.proto. What is left has to be
// the file's path from the top of the repository, and its folder that of the file's package.
func (f *finder) byPackage(from *file, name string) (string, root, bool) {
	if protosrc.Builtin(name) != nil {
		return "", root{}, false
	}
	top := f.top(from.path)
	for rest := name; ; {
		_, after, ok := strings.Cut(rest, "/")
		if !ok || !strings.Contains(after, "/") {
			return "", root{}, false
		}
		rest = after
		r := root{dir: top, prefix: strings.TrimSuffix(name, rest)}
		if path, r, ok := below(r, name); ok && f.file(path).header.Package == strings.ReplaceAll(dirOf(rest), "/", ".") {
			return path, r, true
		}
	}
}

func dirOf(name string) string { return path.Dir(name) }

// inGoCode looks through the modules that go.mod requires: for the Go code that was generated from
// a file of this name, which holds its descriptor, then for a file whose path ends with the name.
// Only what nothing else was found for is searched for like this, as it reads whole modules.
func (f *finder) inGoCode(from *file, name string) (string, root, bool) {
	if protosrc.Builtin(name) != nil {
		return "", root{}, false
	}
	var dirs []string
	for _, m := range f.modulesFor(from) {
		for _, d := range f.Modules.Dependencies(m) {
			if d.Dir != "" && !slices.Contains(dirs, d.Dir) {
				dirs = append(dirs, d.Dir)
			}
		}
	}
	code := strings.TrimSuffix(path.Base(name), ".proto") + ".pb.go"
	for _, dir := range dirs {
		for _, file := range f.moduleFiles(dir)[code] {
			if text, err := os.ReadFile(file); err == nil && gocode.Source(text) == name {
				return file, root{dir: filepath.Dir(file), prefix: dirOf(name) + "/"}, true
			}
		}
	}
	suffix := string(filepath.Separator) + filepath.FromSlash(name)
	for _, dir := range dirs {
		for _, file := range f.moduleFiles(dir)[path.Base(name)] {
			if strings.Contains(name, "/") && strings.HasSuffix(file, suffix) {
				return file, root{dir: strings.TrimSuffix(file, suffix)}, true
			}
		}
	}
	return "", root{}, false
}

// moduleFiles returns the .proto files and the code of messages in a module, by base name.
func (f *finder) moduleFiles(dir string) map[string][]string {
	if known, ok := f.modules[dir]; ok {
		return known
	}
	files := map[string][]string{}
	_ = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // a folder that cannot be read holds nothing to import
		case entry.IsDir():
			if name := entry.Name(); file != dir && (name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
		case entry.Type().IsRegular() && (strings.HasSuffix(file, ".pb.go") || strings.HasSuffix(file, ".proto")):
			files[entry.Name()] = append(files[entry.Name()], file)
		}
		return nil
	})
	f.modules[dir] = files
	return files
}

// readHeader returns what is known of a file before it is compiled.
func readHeader(path string) protosrc.Header {
	text, err := os.ReadFile(path) // the compiler reports a file that cannot be read
	if err != nil || !strings.HasSuffix(path, ".pb.go") {
		return protosrc.ReadHeader(string(text))
	}
	code, err := gocode.Parse(text)
	if err != nil {
		return protosrc.Header{}
	}
	return protosrc.Header{
		Package:   code.Descriptor.GetPackage(),
		GoPackage: code.Descriptor.GetOptions().GetGoPackage(),
		Imports:   code.Descriptor.GetDependency(),
	}
}
