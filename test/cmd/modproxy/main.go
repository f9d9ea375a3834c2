// Command modproxy writes the repository's modules as the files of a module proxy, all at one
// version:
//
//	modproxy -root . -version v0.1.0 -out DIR
//
// GOPROXY=file://DIR then serves them, as a real proxy would after the release. Only files that git
// knows are taken, and none of a module below.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	root := flag.String("root", ".", "the repository")
	version := flag.String("version", "", "the version of every module, v1.2.3")
	out := flag.String("out", "", "the folder to write to")
	flag.Parse()
	if err := run(*root, *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, "modproxy:", err)
		os.Exit(1)
	}
}

func run(root, version, out string) error {
	if out == "" || version == "" {
		return errors.New("-version and -out are required")
	}
	cmd := exec.Command("git", "ls-files", "-z", "-co", "--exclude-standard")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the files of %s: %w", root, err)
	}
	files := strings.FieldsFunc(string(list), func(r rune) bool { return r == 0 })
	var dirs []string
	for _, f := range files {
		if path.Base(f) == "go.mod" {
			dirs = append(dirs, path.Dir(f))
		}
	}
	for _, dir := range dirs {
		if err := write(root, dir, version, out, within(files, dir, dirs)); err != nil {
			return fmt.Errorf("module in %s: %w", dir, err)
		}
	}
	return nil
}

// within returns the files of the module in dir: below it, and not below another module's folder
// inside it.
func within(files []string, dir string, dirs []string) []string {
	var own []string
	for _, f := range files {
		best := ""
		for _, d := range dirs {
			if (d == "." || strings.HasPrefix(f, d+"/")) && (best == "" || best == "." || len(d) > len(best) && d != ".") {
				best = d
			}
		}
		if best == dir {
			own = append(own, f)
		}
	}
	return own
}

// write writes the four files of one module: list, .info, .mod and .zip.
func write(root, dir, version, out string, files []string) error {
	text, err := os.ReadFile(filepath.Join(root, dir, "go.mod"))
	if err != nil {
		return err
	}
	mod := modfile.ModulePath(text)
	escaped, err := module.EscapePath(mod)
	if err != nil {
		return err
	}
	to := filepath.Join(out, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"list":            version + "\n",
		version + ".info": `{"Version":"` + version + `"}`,
		version + ".mod":  string(text),
	} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	archive, err := os.Create(filepath.Join(to, version+".zip"))
	if err != nil {
		return err
	}
	var contents []zip.File
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(root, f)); err == nil { // else it is deleted, and git not told yet
			contents = append(contents, file{root, dir, f})
		}
	}
	err = zip.Create(archive, module.Version{Path: mod, Version: version}, contents)
	return errors.Join(err, archive.Close())
}

// file is a file of a module as package zip wants it.
type file struct{ root, dir, name string }

// Path is the name within the module.
func (f file) Path() string {
	if f.dir == "." {
		return f.name
	}
	return strings.TrimPrefix(f.name, f.dir+"/")
}

// Lstat describes the file.
func (f file) Lstat() (os.FileInfo, error) { return os.Lstat(filepath.Join(f.root, f.name)) }

// Open opens the file.
func (f file) Open() (io.ReadCloser, error) { return os.Open(filepath.Join(f.root, f.name)) }
