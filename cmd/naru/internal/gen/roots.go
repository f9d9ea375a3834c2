package gen

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser/fastscan"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// givenRoots returns the import folders of the command line.
func givenRoots(env *cli.Env, dirs []string) ([]protosrc.Root, error) {
	var roots []protosrc.Root
	for _, dir := range dirs {
		path := env.Path(dir)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return nil, cli.Usagef("-I %s: no such folder", dir)
		}
		roots = append(roots, newRoot(env, path))
	}
	return roots, nil
}

// newRoot returns a root that is shown by its path from where the command was started.
func newRoot(env *cli.Env, dir string) protosrc.Root {
	return protosrc.Root{Dir: dir, Shown: shown(env, dir)}
}

// shown returns the shorter of the paths from the current folder and from the file system's root.
func shown(env *cli.Env, path string) string {
	rel, err := filepath.Rel(env.Dir, path)
	if err != nil || strings.Count(rel, "..") > 2 {
		return path
	}
	return rel
}

// findRoots finds out import folders when none are given: folders of the command line, the current folder,
// and those from which imports lead to a file, nearest folder first.
func findRoots(env *cli.Env, in *inputs) []protosrc.Root {
	f := &rootFinder{env: env, in: in, seen: map[string]bool{}}
	f.base = slices.Clone(in.dirs)
	for _, file := range in.files {
		if !f.covered(file) {
			// A file named by itself: its path from here is its name, unless it lies elsewhere.
			if within(env.Dir, file) {
				f.base = append(f.base, env.Dir)
			} else {
				f.base = append(f.base, filepath.Dir(file))
			}
		}
	}
	for _, file := range in.files {
		f.visit(file)
	}
	// The deepest folder that makes sense of an import names the files below it.
	slices.SortStableFunc(f.found, func(a, b string) int { return len(b) - len(a) })
	var roots []protosrc.Root
	for _, dir := range append(f.found, f.base...) {
		if !slices.ContainsFunc(roots, func(r protosrc.Root) bool { return r.Dir == dir }) {
			roots = append(roots, newRoot(env, dir))
		}
	}
	return roots
}

type rootFinder struct {
	env   *cli.Env
	in    *inputs
	base  []string
	found []string
	seen  map[string]bool
}

func (f *rootFinder) covered(file string) bool {
	return slices.ContainsFunc(f.base, func(dir string) bool { return within(dir, file) })
}

// visit looks at the imports of a file and of what they lead to.
func (f *rootFinder) visit(file string) {
	if f.seen[file] {
		return
	}
	f.seen[file] = true
	for _, name := range importsOf(file) {
		if target := f.resolve(file, name); target != "" {
			f.visit(target)
		}
	}
}

// resolve returns the file that an import means, "" for none, and keeps the folder that made sense of it.
func (f *rootFinder) resolve(file, name string) string {
	below := filepath.FromSlash(name)
	for _, dir := range append(slices.Clone(f.base), f.found...) {
		if isFile(filepath.Join(dir, below)) {
			return filepath.Join(dir, below)
		}
	}
	if protosrc.Builtin(name) != nil {
		return ""
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if isFile(filepath.Join(dir, below)) {
			f.found = append(f.found, dir)
			return filepath.Join(dir, below)
		}
		if f.isTop(dir) {
			break
		}
	}
	for _, other := range f.in.files {
		if dir, ok := strings.CutSuffix(other, string(filepath.Separator)+below); ok && dir != "" {
			f.found = append(f.found, dir)
			return other
		}
	}
	return ""
}

// isTop tells whether the search upwards ends at dir: where the command was started, where a module or
// repository starts, or at the top of the file system.
func (f *rootFinder) isTop(dir string) bool {
	return dir == f.env.Dir || dir == filepath.Dir(dir) || isFile(filepath.Join(dir, "go.mod")) || exists(filepath.Join(dir, ".git"))
}

// importsOf returns the imports of a file. A file that cannot be read or has mistakes gives what was found
// before them; the compiler will say more.
func importsOf(file string) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	res, _ := fastscan.Scan(file, f)
	var names []string
	for _, imp := range res.Imports {
		names = append(names, imp.Path)
	}
	return names
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
