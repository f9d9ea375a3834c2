package protosrc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/ast"

	"github.com/naru-rpc/naru/cmd/naru/internal/near"
)

// similarType returns a hint for a type that was not found: one of the same name in a file of this
// run that is not imported, or one whose name differs in little. "" if there is none.
func (l *loader) similarType(f *source, wanted string) string {
	base := wanted[strings.LastIndexByte(wanted, '.')+1:]
	imported := map[string]bool{f.name: true}
	for _, imp := range f.imports {
		imported[imp.name] = true
	}
	names := make([]string, 0, len(l.files))
	for name := range l.files {
		names = append(names, name)
	}
	slices.Sort(names)
	var qualified, elsewhere, alike string
	for _, name := range names {
		for _, declared := range l.files[name].types() {
			short := declared[strings.LastIndexByte(declared, '.')+1:]
			switch {
			case short == base && !imported[name] && elsewhere == "":
				elsewhere = fmt.Sprintf("%s is in %q: import it", declared, name)
			case short == base && imported[name] && declared != wanted && qualified == "":
				qualified = fmt.Sprintf("did you mean %s?", declared)
			case imported[name] && alike == "" && near.Distance(strings.ToLower(short), strings.ToLower(base)) <= min((len(base)+1)/3, 2):
				alike = fmt.Sprintf("did you mean %s?", declared)
			}
		}
	}
	return cmp.Or(qualified, elsewhere, alike)
}

// types lists the full names of the messages and enums that f declares at top level or nested.
func (f *source) types() []string {
	if f.tree == nil {
		return nil
	}
	var names []string
	var visit func(scope string, decls []ast.Node)
	visit = func(scope string, decls []ast.Node) {
		for _, decl := range decls {
			switch decl := decl.(type) {
			case *ast.PackageNode:
				scope = string(decl.Name.AsIdentifier()) + "."
			case *ast.MessageNode:
				names = append(names, f.original(scope+decl.Name.Val))
				visit(scope+decl.Name.Val+".", children(decl.Decls))
			case *ast.EnumNode:
				names = append(names, f.original(scope+decl.Name.Val))
			}
		}
	}
	visit("", children(f.tree.Decls))
	return names
}
