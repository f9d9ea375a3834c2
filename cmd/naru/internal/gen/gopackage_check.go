package gen

import (
	"fmt"
	"go/token"
	"strings"
	"unicode"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// check tells what is wrong with a Go package before the generators write it down and Go's parser
// says it less clearly. A go_package is shown in its file.
func (p *planner) check(f *descriptorpb.FileDescriptorProto, t *goTarget) error {
	wrong := ""
	switch {
	case !validImportPath(t.importPath):
		wrong = fmt.Sprintf("%q is no import path of a Go package", t.importPath)
	case t.name != "" && !token.IsIdentifier(t.name):
		wrong = fmt.Sprintf("%q is no name for a Go package", t.name)
	default:
		return nil
	}
	const hint = `write "example.com/module/folder", or "example.com/module/folder;name" for another package name than the folder's`
	if _, given := p.given[f.GetName()]; given {
		return cli.WithHint(fmt.Errorf("--go-package for %s: %s", f.GetName(), wrong), hint)
	}
	p.result.Findings.Add(&diag.Diagnostic{Place: goPackagePlace(p.result, f), Message: "option go_package: " + wrong, Hint: hint})
	return errFindings
}

// validImportPath reports whether Go accepts an import path:
// https://go.dev/ref/spec#Import_declarations and the go command's stricter rule for elements.
func validImportPath(path string) bool {
	for _, element := range strings.Split(path, "/") {
		if element == "" || strings.HasPrefix(element, ".") || strings.HasSuffix(element, ".") {
			return false
		}
		for _, r := range element {
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~+", r) {
				return false
			}
		}
	}
	return true
}

// goPackagePlace returns where a file's option go_package stands.
func goPackagePlace(result *protosrc.Result, f *descriptorpb.FileDescriptorProto) diag.Place {
	const options, goPackage = 8, 11 // fields of FileDescriptorProto and FileOptions
	src := result.Source(f.GetName())
	for _, l := range f.GetSourceCodeInfo().GetLocation() {
		if p := l.GetPath(); src != nil && len(p) == 2 && p[0] == options && p[1] == goPackage && len(l.Span) >= 3 {
			endLine := l.Span[0]
			if len(l.Span) == 4 {
				endLine = l.Span[2]
			}
			return src.Place(src.Offset(int(l.Span[0]), int(l.Span[1])), src.Offset(int(endLine), int(l.Span[len(l.Span)-1])))
		}
	}
	return diag.Place{File: f.GetName()}
}
