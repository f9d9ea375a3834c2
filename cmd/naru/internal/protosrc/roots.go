package protosrc

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Root is a folder imports are looked up in.
type Root struct {
	// Dir is the folder, absolute.
	Dir string
	// Shown is the folder as diagnostics name it.
	Shown string
}

// Sources are where imports are looked up.
type Sources struct {
	// Roots are searched in order.
	Roots []Root
	// Paths holds files by import name, absolute. If it is not nil, Roots are not searched: they
	// are only named in messages.
	Paths map[string]string
	// Aliases holds the names of files that some files import by another one.
	Aliases map[Import]string
}

// Import is an import statement: the path of the file it stands in and the name as spelled there.
type Import struct{ From, Name string }

// find returns the path of the file that name means and how it is shown; "" if there is none.
func (s Sources) find(name string) (path, shown string) {
	if s.Paths != nil {
		path = s.Paths[name]
		return path, s.shown(name, path)
	}
	for _, r := range s.Roots {
		// Regular files only: reading a pipe would wait for a writer.
		if info, err := os.Stat(r.file(name)); err == nil && info.Mode().IsRegular() {
			return r.file(name), r.shown(name)
		}
	}
	return "", ""
}

// shown returns a path as it is opened from where the command was started, if it lies below a root.
func (s Sources) shown(name, path string) string {
	for _, r := range s.Roots {
		if r.file(name) == path {
			return r.shown(name)
		}
	}
	for _, r := range s.Roots {
		if rel, err := filepath.Rel(r.Dir, path); err == nil && filepath.IsLocal(rel) {
			return r.shown(filepath.ToSlash(rel))
		}
	}
	return path
}

// file returns the file that name means below the root.
func (r Root) file(name string) string { return filepath.Join(r.Dir, filepath.FromSlash(name)) }

// shown returns how a file below the root is shown: by a path that can be opened from where the
// command was started.
func (r Root) shown(name string) string {
	if r.Shown == "." || r.Shown == "" {
		return name
	}
	return path.Join(filepath.ToSlash(r.Shown), name)
}

// Name returns the name under which imports find a file: its path below the first root for which
// that is so. "" if no root holds the file; if other files come before it under every name, hidden
// is one of them.
func Name(roots []Root, file string) (name, hidden string) {
	for _, r := range roots {
		rel, err := filepath.Rel(r.Dir, file)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			continue
		}
		found := file
		for _, first := range roots {
			if info, err := os.Stat(filepath.Join(first.Dir, rel)); err == nil && info.Mode().IsRegular() {
				found = filepath.Join(first.Dir, rel)
				break
			}
		}
		if found == file {
			return filepath.ToSlash(rel), ""
		}
		hidden = found
	}
	return "", hidden
}

// validName reports whether an import name is one that protoc accepts: slashes, no way out of the
// root.
func validName(name string) bool {
	return name != "" && !strings.Contains(name, "\\") && path.Clean(name) == name &&
		!path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../")
}
