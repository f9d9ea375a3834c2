package gen

import (
	"os"
	"path/filepath"
	"strings"

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

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
