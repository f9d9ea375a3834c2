package gen

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// inputs are the files to generate from.
type inputs struct {
	files []string // absolute, sorted, each once
	// dirs are the folders named on the command line, absolute; the current folder if nothing was named.
	dirs []string
}

// findInputs resolves the arguments of the command line.
func findInputs(env *cli.Env, args []string) (*inputs, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	in := &inputs{}
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
			if err := in.walk(path); err != nil {
				return nil, err
			}
		case filepath.Ext(path) != ".proto", !info.Mode().IsRegular():
			return nil, cli.Usagef("%s: not a .proto file", arg)
		default:
			in.files = append(in.files, path)
		}
	}
	if len(in.files) == 0 {
		return nil, cli.WithHint(cli.Usagef("no .proto files below %s", strings.Join(args, ", ")),
			"folders named vendor, node_modules, testdata, .* and _* are passed over unless named")
	}
	slices.Sort(in.files)
	in.files = slices.Compact(in.files)
	return in, nil
}

func (in *inputs) walk(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && passedOver(entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) == ".proto" && !passedOver(entry.Name()) && isFile(path) {
			in.files = append(in.files, path)
		}
		return nil
	})
}

// passedOver tells whether a folder holds what others maintain, or fixtures; the go command skips the same.
func passedOver(name string) bool {
	switch name {
	case "vendor", "node_modules", "testdata":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}
