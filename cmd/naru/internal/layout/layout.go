// Package layout finds out, when no import folders are given, under which names the files of a run
// import each other.
//
// A file has one name in a run. If a file imports it, the import's spelling is its name; the
// package statement and the folders decide only about files that no other file imports. The rules,
// in order, for a file that is not imported:
//
//  1. the import folder of the files that it imports, if it lies below that folder too
//  2. the import folder of a file in the same folder that is imported
//  3. the folder its package tells, if the package has several parts: proto for
//     proto/shop/v1/cart.proto of shop.v1
//  4. the nearest import folder around it that other files' imports tell
//  5. the folder its package tells, if the package has one part
//  6. the folder of the command line that holds it
package layout

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// Options are what a search starts from. Paths are absolute.
type Options struct {
	// Dir is the folder the command was started in.
	Dir string
	// Bases are the folders named on the command line.
	Bases []string
	// Files are the .proto files of the run.
	Files []string
	// Modules finds Go modules.
	Modules *gomod.Finder
	// Shown returns a path as messages show it.
	Shown func(path string) string
}

// Group are files that are compiled together: those whose names start at the same import folder.
type Group struct {
	// Files are the files of the run in the group, sorted.
	Files []string
	// Names are the import names of Files, in the same order.
	Names []string
	// Paths holds the files that the group's files import, directly or not, and its own, by import
	// name.
	Paths map[string]string
	// Roots are the import folders, the group's own first.
	Roots []protosrc.Root
	// Choices are imports that could have meant several files.
	Choices []Choice

	// Aliases holds the names of files that a neighbor imports by the base name alone.
	Aliases map[protosrc.Import]string

	byPath map[string]string // the opposite of Paths
}

// Choice is an import name for which a group has two files with different contents.
type Choice struct{ Name, Taken, Other string }

// Find returns the groups, sorted by their import folders.
func Find(o Options) []Group {
	f := newFinder(o)
	for _, path := range o.Files {
		f.visit(f.file(path))
	}
	f.drain()
	for len(f.late) > 0 {
		imp := f.late[0]
		f.late = f.late[1:]
		if path, r, ok := f.elsewhere(imp.from, imp.name, f.hasNoOtherName(imp.name)); ok {
			f.claim(imp.from, imp.name, path, r)
			f.drain()
		}
	}
	f.settleImported()
	byRoot := map[root][]*file{}
	for _, path := range o.Files {
		file := f.files[path]
		if file.name == "" {
			f.settle(file)
		}
		byRoot[file.root] = append(byRoot[file.root], file)
	}
	var groups []Group
	for _, r := range slices.SortedFunc(maps.Keys(byRoot), compareRoots) {
		g := f.group(r, byRoot[r])
		// The compiler reports a file with two names if it sees both.
		for {
			other := slices.IndexFunc(groups, g.conflicts)
			if other < 0 {
				break
			}
			g = groups[other].merge(g)
			groups = slices.Delete(groups, other, other+1)
		}
		groups = append(groups, g)
	}
	return groups
}

// conflicts reports whether the groups have different names for one file.
func (g *Group) conflicts(other Group) bool {
	for name, path := range other.Paths {
		if known, ok := g.byPath[path]; ok && known != name {
			return true
		}
	}
	return false
}

// merge returns a group with the files of both.
func (g *Group) merge(other Group) Group {
	g.Files = append(g.Files, other.Files...)
	g.Names = append(g.Names, other.Names...)
	maps.Copy(g.Paths, other.Paths)
	maps.Copy(g.byPath, other.byPath)
	maps.Copy(g.Aliases, other.Aliases)
	g.Choices = append(g.Choices, other.Choices...)
	return *g
}

// root is an import folder. A prefix stands before the paths below dir: the files of the module
// example.com/shop may be imported as example.com/shop/....
type root struct{ dir, prefix string }

func compareRoots(a, b root) int {
	return cmp.Or(strings.Compare(a.dir, b.dir), strings.Compare(a.prefix, b.prefix))
}

// nameOf returns the import name of a file, "" if it does not lie below the root.
func (r root) nameOf(path string) string {
	rel, ok := strings.CutPrefix(path, strings.TrimSuffix(r.dir, string(filepath.Separator))+string(filepath.Separator))
	if !ok {
		return ""
	}
	return r.prefix + filepath.ToSlash(rel)
}

// file is one file of the run or one that those import.
type file struct {
	path    string
	header  protosrc.Header
	targets map[string]string // import name: path
	claims  map[claim]int     // names by which others import it
	visited bool

	name string // "" until settled
	root root
}

type claim struct {
	name string
	root root
}

// finder is a search. Used by one goroutine, once.
type finder struct {
	Options
	files       map[string]*file
	queue       []*file
	late        []lateImport  // resolved when all others are
	established map[root]bool // import folders that imports told
	tops        map[string]string
	index       map[string][]string            // .proto files by base name; nil until needed
	modules     map[string]map[string][]string // files of required modules, by folder and base name
}

func newFinder(o Options) *finder {
	return &finder{
		Options: o, files: map[string]*file{}, established: map[root]bool{}, tops: map[string]string{},
		modules: map[string]map[string][]string{},
	}
}

// file returns the file at a path.
func (f *finder) file(path string) *file {
	if known := f.files[path]; known != nil {
		return known
	}
	file := &file{
		path:    path,
		header:  readHeader(path),
		targets: map[string]string{},
		claims:  map[claim]int{},
	}
	f.files[path] = file
	return file
}

// drain visits what is queued.
func (f *finder) drain() {
	for len(f.queue) > 0 {
		next := f.queue[0]
		f.queue = f.queue[1:]
		f.visit(next)
	}
}

// lateImport is an import by a base name alone of a file that is not near. Such a name says little,
// so it can only mean a file that others do not import by a longer name.
type lateImport struct {
	from *file
	name string
}

// hasNoOtherName returns a condition for elsewhere.
func (f *finder) hasNoOtherName(name string) func(path string) bool {
	return func(path string) bool {
		if known := f.files[path]; known != nil {
			for c := range known.claims {
				if c.name != name {
					return false
				}
			}
		}
		return true
	}
}

// visit resolves the imports of a file.
func (f *finder) visit(file *file) {
	if file.visited {
		return
	}
	file.visited = true
	for _, name := range file.header.Imports {
		if path, r, ok := f.resolve(file, name); ok {
			f.claim(file, name, path, r)
		} else if !strings.Contains(name, "/") {
			f.late = append(f.late, lateImport{file, name})
		}
	}
}

// claim notes that an import means a file.
func (f *finder) claim(from *file, name, path string, r root) {
	from.targets[name] = path
	f.established[r] = true
	target := f.file(path)
	target.claims[claim{name, r}]++
	f.queue = append(f.queue, target)
}

// settleImported names the files that others import. The compiler reports those that are imported
// by several names.
func (f *finder) settleImported() {
	for _, file := range f.files {
		var best claim
		most := 0
		for c, n := range file.claims {
			if most > 0 && file.isBare(c) != file.isBare(best) {
				if file.isBare(best) {
					best, most = c, n
				}
				continue
			}
			if n > most || n == most && cmp.Or(strings.Compare(c.name, best.name), compareRoots(c.root, best.root)) < 0 {
				best, most = c, n
			}
		}
		if most > 0 {
			file.name, file.root = best.name, best.root
		}
	}
}

// isBare reports whether a claim is the base name alone, as a neighbor may spell it.
func (file *file) isBare(c claim) bool {
	return c.root.prefix == "" && c.root.dir == filepath.Dir(file.path)
}

// settle names a file that no other file imports.
func (f *finder) settle(file *file) {
	pkg, parts := f.packageRoot(file)
	roots := map[root]int{}
	for _, path := range file.targets {
		roots[f.files[path].root]++
	}
	r, ok := f.mostUsed(roots, file.path, pkg)
	if !ok {
		r, ok = f.siblingRoot(file)
	}
	if !ok && parts > 1 {
		r, ok = pkg, true
	}
	if !ok {
		r, ok = f.nearest(file.path)
	}
	if !ok && parts == 1 {
		r, ok = pkg, true
	}
	if !ok {
		r = root{dir: f.baseOf(file.path)}
	}
	file.root, file.name = r, r.nameOf(file.path)
}

// packageRoot returns the folder that the package statement tells and the number of the package's
// parts; 0 if the folders do not end like the package.
func (f *finder) packageRoot(file *file) (root, int) {
	pkg := file.header.Package
	below := string(filepath.Separator) + filepath.FromSlash(strings.ReplaceAll(pkg, ".", "/"))
	dir, ok := strings.CutSuffix(filepath.Dir(file.path), below)
	if pkg == "" || !ok || dir == "" || !within(f.top(file.path), dir) {
		return root{}, 0
	}
	return root{dir: dir}, 1 + strings.Count(pkg, ".")
}

// mostUsed returns the root that is used most among those that hold path; preferred if it is one of
// them.
func (f *finder) mostUsed(roots map[root]int, path string, preferred root) (best root, ok bool) {
	most := 0
	for r, n := range roots {
		switch {
		case r.nameOf(path) == "":
		case r == preferred:
			return r, true
		case n > most, n == most && compareRoots(r, best) < 0:
			best, most = r, n
		}
	}
	return best, most > 0
}

// siblingRoot returns the root of the imported files in file's folder.
func (f *finder) siblingRoot(file *file) (root, bool) {
	roots := map[root]int{}
	for _, other := range f.files {
		if len(other.claims) > 0 && filepath.Dir(other.path) == filepath.Dir(file.path) {
			roots[other.root]++
		}
	}
	return f.mostUsed(roots, file.path, root{})
}

// nearest returns the deepest root around path that imports told.
func (f *finder) nearest(path string) (best root, ok bool) {
	for r := range f.established {
		if r.nameOf(path) != "" && (!ok || len(r.dir) > len(best.dir) || len(r.dir) == len(best.dir) && r.prefix < best.prefix) {
			best, ok = r, true
		}
	}
	return best, ok
}

// baseOf returns the folder of the command line that holds path. A file named by itself has the
// name of its path from the current folder, unless it lies elsewhere.
func (f *finder) baseOf(path string) string {
	for _, dir := range f.Bases {
		if within(dir, path) {
			return dir
		}
	}
	if within(f.Dir, path) {
		return f.Dir
	}
	return filepath.Dir(path)
}

// group collects the files with one root and all they import.
func (f *finder) group(r root, files []*file) Group {
	g := Group{Paths: map[string]string{}, Aliases: map[protosrc.Import]string{}}
	for _, file := range files {
		g.Files = append(g.Files, file.path)
		g.Names = append(g.Names, file.name)
		g.Paths[file.name] = file.path
	}
	seen := map[string]bool{}
	queue := slices.Clone(files)
	for len(queue) > 0 {
		file := queue[0]
		queue = queue[1:]
		if seen[file.path] {
			continue
		}
		seen[file.path] = true
		for _, name := range file.header.Imports {
			path, ok := file.targets[name]
			if !ok {
				continue
			}
			target := f.files[path]
			if target.name != name && target.isBare(claim{name, root{dir: filepath.Dir(file.path)}}) && name == filepath.Base(path) {
				g.Aliases[protosrc.Import{From: file.path, Name: name}] = target.name
				name = target.name
			}
			taken, ok := g.Paths[name]
			switch {
			case !ok:
				g.Paths[name] = path
			case taken != path && !sameContent(taken, path):
				g.Choices = append(g.Choices, Choice{Name: name, Taken: taken, Other: path})
			}
			queue = append(queue, f.files[g.Paths[name]])
		}
	}
	g.Roots = f.shownRoots(r)
	g.byPath = map[string]string{}
	for name, path := range g.Paths {
		g.byPath[path] = name
	}
	return g
}

// shownRoots returns all import folders, first the group's, then deeper ones before those around
// them.
func (f *finder) shownRoots(first root) []protosrc.Root {
	dirs := []string{first.dir}
	for r := range f.established {
		if r.prefix == "" && f.inRun(r.dir) {
			dirs = append(dirs, r.dir)
		}
	}
	slices.SortFunc(dirs[1:], func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var roots []protosrc.Root
	for _, dir := range append(dirs, f.Bases...) {
		if !slices.ContainsFunc(roots, func(r protosrc.Root) bool { return r.Dir == dir }) {
			roots = append(roots, protosrc.Root{Dir: dir, Shown: f.Shown(dir)})
		}
	}
	return roots
}

// inRun reports whether dir lies in the repositories of the run, as opposed to a required module.
func (f *finder) inRun(dir string) bool {
	for _, path := range f.Files {
		if within(f.top(path), dir) {
			return true
		}
	}
	return false
}

func sameContent(a, b string) bool {
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
