package gen

import (
	"cmp"
	"maps"
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

// group are files that are compiled together: those whose names start at the same import folder.
type group struct {
	roots []protosrc.Root
	files []string
}

// findGroups finds out import folders when none are given. A file whose folder ends like its package
// (proto/shop/v1 for shop.v1) tells one; so do imports, by the nearest folder from which they lead to a file.
// Where nothing tells, it is a folder of the command line or the current one. Trees of files that know
// nothing of each other may so lie side by side and use the same names.
func findGroups(env *cli.Env, in *inputs) []group {
	f := &rootFinder{in: in, primary: map[string]string{}, seen: map[string]bool{}}
	f.base = slices.Clone(in.dirs)
	for _, file := range in.files {
		if f.baseOf(file) == "" {
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
	// Files of one folder belong to one tree.
	byFolder := map[string]string{}
	for _, file := range in.files {
		if dir := filepath.Dir(file); byFolder[dir] == "" {
			byFolder[dir] = f.primary[file]
		}
	}
	byRoot := map[string][]string{}
	for _, file := range in.files {
		root := cmp.Or(f.primary[file], byFolder[filepath.Dir(file)], f.baseOf(file))
		byRoot[root] = append(byRoot[root], file)
	}
	var groups []group
	for _, root := range slices.Sorted(maps.Keys(byRoot)) {
		groups = append(groups, group{roots: f.rootsFrom(env, root), files: byRoot[root]})
	}
	return groups
}

type rootFinder struct {
	in      *inputs
	base    []string
	found   []string
	primary map[string]string // file: the folder its name starts at, once something tells
	seen    map[string]bool
}

// rootsFrom returns all import folders: first, then deeper ones before those around them.
func (f *rootFinder) rootsFrom(env *cli.Env, first string) []protosrc.Root {
	rest := slices.Clone(f.found)
	slices.SortStableFunc(rest, func(a, b string) int { return len(b) - len(a) })
	var roots []protosrc.Root
	for _, dir := range append(append([]string{first}, rest...), f.base...) {
		if !slices.ContainsFunc(roots, func(r protosrc.Root) bool { return r.Dir == dir }) {
			roots = append(roots, newRoot(env, dir))
		}
	}
	return roots
}

// baseOf returns the folder of the command line that holds file, "" if none does.
func (f *rootFinder) baseOf(file string) string {
	for _, dir := range f.base {
		if within(dir, file) {
			return dir
		}
	}
	return ""
}

// visit looks at the package and the imports of a file, and at what those lead to.
func (f *rootFinder) visit(file string) {
	if f.seen[file] {
		return
	}
	f.seen[file] = true
	pkg, imports := scanFile(file)
	below := string(filepath.Separator) + filepath.FromSlash(strings.ReplaceAll(pkg, ".", "/"))
	if dir, ok := strings.CutSuffix(filepath.Dir(file), below); ok && pkg != "" && inside(file, dir) {
		f.add(dir)
		f.primary[file] = dir
	}
	for _, name := range imports {
		dir := f.resolve(file, name)
		if dir == "" {
			continue
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if f.primary[target] == "" {
			f.primary[target] = dir
		}
		if f.primary[file] == "" && within(dir, file) {
			f.primary[file] = dir
		}
		f.visit(target)
	}
}

// resolve returns the folder from which an import leads to a file, "" for none.
func (f *rootFinder) resolve(file, name string) string {
	below := filepath.FromSlash(name)
	if dir := f.primary[file]; dir != "" && isFile(filepath.Join(dir, below)) {
		return dir
	}
	for _, dir := range f.base {
		if within(dir, file) && isFile(filepath.Join(dir, below)) {
			return dir
		}
	}
	if protosrc.Builtin(name) != nil {
		return ""
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if isFile(filepath.Join(dir, below)) {
			f.add(dir)
			return dir
		}
		if isTop(dir) {
			break
		}
	}
	for _, dir := range append(slices.Clone(f.found), f.base...) {
		if isFile(filepath.Join(dir, below)) {
			return dir
		}
	}
	for _, other := range f.in.files {
		if dir, ok := strings.CutSuffix(other, string(filepath.Separator)+below); ok && dir != "" {
			f.add(dir)
			return dir
		}
	}
	return ""
}

func (f *rootFinder) add(dir string) {
	if !slices.Contains(f.found, dir) {
		f.found = append(f.found, dir)
	}
}

// inside tells whether a search upwards from file comes by dir.
func inside(file, dir string) bool {
	for d := filepath.Dir(file); ; d = filepath.Dir(d) {
		if d == dir {
			return true
		}
		if isTop(d) {
			return false
		}
	}
}

// isTop tells whether a search upwards ends at dir: where a module or repository starts, or at the top of
// the file system.
func isTop(dir string) bool {
	return dir == filepath.Dir(dir) || isFile(filepath.Join(dir, "go.mod")) || exists(filepath.Join(dir, ".git"))
}

// scanFile returns the package and the imports of a file. A file that cannot be read or has mistakes gives
// what was found before them; the compiler will say more.
func scanFile(file string) (pkg string, imports []string) {
	f, err := os.Open(file)
	if err != nil {
		return "", nil
	}
	defer f.Close()
	res, _ := fastscan.Scan(file, f)
	for _, imp := range res.Imports {
		imports = append(imports, imp.Path)
	}
	return res.PackageName, imports
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
