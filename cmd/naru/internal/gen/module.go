package gen

import (
	"go/build"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
)

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// packageName returns the name for a package in dir that no option names: that of the Go files
// already there, else the last part of the import path that is not a major version; "" if that is
// no name.
func packageName(dir, importPath string) string {
	if name := existingPackage(dir); name != "" {
		return name
	}
	name := path.Base(importPath)
	if parent := path.Dir(importPath); majorVersion.MatchString(name) && parent != "." && isFile(filepath.Join(dir, "go.mod")) {
		name = path.Base(parent)
	}
	if !token.IsIdentifier(name) {
		return ""
	}
	return name
}

// existingPackage returns the package of the Go files in dir, "" if there are none. Files that a
// build leaves out do not count: a generator's source with "//go:build ignore" is package main in
// any folder. Nor does a package main, which nothing could import.
func existingPackage(dir string) string {
	pkg, _ := build.ImportDir(dir, 0) // with an error the package has what could be read
	switch {
	case pkg == nil || pkg.Name == "main" || len(pkg.GoFiles)+len(pkg.CgoFiles) == 0:
		return ""
	}
	return pkg.Name
}
