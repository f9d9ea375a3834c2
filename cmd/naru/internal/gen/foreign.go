package gen

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// Copies of other people's .proto files lie in many repositories, to be imported. Their Go code is
// in a module of its own, and a second copy of it would stop every program that has both. So a
// folder gives only the files that belong to the Go module around it; naming a file, or a folder
// with nothing else in it, is how to ask for the others.

// thirdParty are names of folders that hold what others maintain.
var thirdParty = []string{"third_party", "third-party", "thirdparty", "3rdparty", "external", "common-protos"}

// partition splits the files below a folder that was named into those to generate and foreign ones.
func (c *config) partition(dir string, files []string) (own, foreign []string) {
	belongs := map[string]belonging{}
	hasOwn := map[gomod.Module]bool{} // a module with none is not where these files' code goes at all
	for _, file := range files {
		belongs[file] = c.belonging(file)
		if belongs[file] == ownModule {
			hasOwn[c.modules.Of(filepath.Dir(file))] = true
		}
	}
	for _, file := range files {
		switch {
		case belongs[file] == otherModule && (hasOwn[c.modules.Of(filepath.Dir(file))] || c.required(file)), belongs[file] != ownModule && inThirdParty(dir, file):
			foreign = append(foreign, file)
		default:
			own = append(own, file)
		}
	}
	if len(own) == 0 {
		return files, nil
	}
	return own, foreign
}

type belonging uint8

const (
	unclear   belonging = iota // no go_package, one that is no full import path, or no Go module around
	ownModule                  // go_package is in the module around the file, or one around that
	otherModule
)

// belonging tells where a file's Go package belongs.
func (c *config) belonging(file string) belonging {
	goPackage := goPackageOf(file)
	first, _, _ := strings.Cut(goPackage, "/")
	mod := c.modules.Of(filepath.Dir(file))
	if mod.Path == "" || !strings.Contains(first, ".") || strings.HasPrefix(first, ".") {
		return unclear
	}
	for mod.Path != "" {
		if _, ok := mod.Folder(goPackage); ok {
			return ownModule
		}
		mod = c.modules.Of(filepath.Dir(mod.Dir))
	}
	return otherModule
}

// goPackageOf returns the import path in a file's option go_package.
func goPackageOf(file string) string {
	text, _ := os.ReadFile(file)
	importPath, _, _ := strings.Cut(protosrc.ReadHeader(string(text)).GoPackage, ";")
	return importPath
}

// required reports whether a file's Go package is in a module that the module around the file
// requires.
func (c *config) required(file string) bool {
	goPackage := goPackageOf(file)
	return slices.ContainsFunc(c.modules.Dependencies(c.modules.Of(filepath.Dir(file))), func(d gomod.Dependency) bool {
		return goPackage == d.Path || strings.HasPrefix(goPackage, d.Path+"/")
	})
}

// inThirdParty reports whether there is a folder of other people's files between dir and file.
func inThirdParty(dir, file string) bool {
	rel, err := filepath.Rel(dir, filepath.Dir(file))
	return err == nil && slices.ContainsFunc(strings.Split(filepath.ToSlash(rel), "/"), func(part string) bool {
		return slices.Contains(thirdParty, part)
	})
}

// noteForeign says which files were left out.
func (c *config) noteForeign(env *cli.Env, in *inputs) {
	if len(in.foreign) == 0 || c.quiet {
		return
	}
	const most = 3
	var names []string
	for _, file := range in.foreign[:min(most, len(in.foreign))] {
		names = append(names, shown(env, file))
	}
	if more := len(in.foreign) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	fmt.Fprintf(env.Stderr, "%s not generated, as their Go packages belong to other modules: %s; name a file to generate it\n",
		cli.NewStyle(env.Color).Hint("note:"), strings.Join(names, ", "))
}
