package gen

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// inputs are the files to generate from.
type inputs struct {
	files []string // absolute, sorted, each once
	// dirs are the folders named on the command line, absolute; the current folder if nothing was
	// named.
	dirs []string
	// foreign are files below dirs that belong to other Go packages and are not generated, sorted.
	foreign []string
}

// findInputs resolves the arguments of the command line.
func (c *config) findInputs(env *cli.Env) (*inputs, error) {
	args := c.inputs
	if len(args) == 0 {
		args = []string{"."}
	}
	in := &inputs{}
	var named []string
	excluded := false
	for _, arg := range args {
		path := env.Path(arg)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, cli.Usagef("%s: no such file or folder", arg)
		case err != nil:
			return nil, cli.Usagef("%v", err)
		case info.IsDir():
			in.dirs = append(in.dirs, path)
			files, skipped, err := c.walk(env, path)
			if err != nil {
				return nil, err
			}
			excluded = excluded || skipped
			own, foreign := c.partition(path, files)
			in.files = append(in.files, own...)
			in.foreign = append(in.foreign, foreign...)
		case filepath.Ext(path) != ".proto", !info.Mode().IsRegular():
			return nil, cli.Usagef("%s: not a .proto file", arg)
		default:
			named = append(named, path)
		}
	}
	in.files = append(in.files, named...)
	if len(in.files) == 0 {
		hint := "folders named vendor, node_modules, testdata, .* and _* are passed over unless named"
		if excluded {
			hint = "--exclude leaves some out; " + hint
		}
		return nil, cli.WithHint(cli.Usagef("no .proto files below %s", strings.Join(args, ", ")), "%s", hint)
	}
	slices.Sort(in.files)
	in.files = slices.Compact(in.files)
	in.foreign = slices.DeleteFunc(in.foreign, func(f string) bool { return slices.Contains(in.files, f) })
	slices.Sort(in.foreign)
	in.foreign = slices.Compact(in.foreign)
	return in, nil
}

// walk returns the .proto files below a folder. excluded reports whether --exclude left one out.
func (c *config) walk(env *cli.Env, root string) (files []string, excluded bool, err error) {
	// With a separator behind it a link to a folder is followed; those below it are not, as they
	// may lead anywhere.
	err = filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		path = filepath.Clean(path)
		switch {
		case err != nil:
			return err
		case path != root && passedOver(entry.Name()):
			if entry.IsDir() {
				return filepath.SkipDir
			}
		case c.excludes(shown(env, path)):
			excluded = true
			if entry.IsDir() && path != root {
				return filepath.SkipDir
			}
		case !entry.IsDir() && filepath.Ext(path) == ".proto" && isFile(path):
			files = append(files, path)
		}
		return nil
	})
	return files, excluded, err
}

// excludes reports whether a pattern of --exclude matches a path, as it is shown: the whole path,
// the folders it starts with, or, for a pattern without a slash, any of its parts.
func (c *config) excludes(shownPath string) bool {
	parts := strings.Split(filepath.ToSlash(shownPath), "/")
	for _, pattern := range c.exclude {
		pattern = path.Clean(filepath.ToSlash(pattern))
		for i := range parts {
			if ok, _ := path.Match(pattern, strings.Join(parts[:i+1], "/")); ok {
				return true
			}
			if ok, _ := path.Match(pattern, parts[i]); ok {
				return true
			}
		}
	}
	return false
}

// passedOver reports whether a folder holds what others maintain, or fixtures; the go command skips
// the same.
func passedOver(name string) bool {
	switch name {
	case "vendor", "node_modules", "testdata":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}
