package protosrc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

// numbered is a declaration with a number: a field or an enum value.
type numbered struct {
	name       string
	number     int64
	start, end int // of the number
}

// rewriteFieldNumber names both places of a field number and the next free one.
func rewriteFieldNumber(_ *loader, f *source, d *diag.Diagnostic, m []string) bool {
	d.Message = fmt.Sprintf("field number %s of message %s is used twice: by %s and by %s", m[4], m[1], m[2], m[3])
	fields := numbers(f.tree, f.message(m[1]))
	number, _ := strconv.ParseInt(m[4], 10, 64)
	isFirst := func(n numbered) bool { return n.number == number && f.original(n.name) == m[2] }
	if first := slices.IndexFunc(fields, isFirst); first >= 0 {
		n := fields[first]
		d.Notes = append(d.Notes, diag.Note{Place: f.src.Place(n.start, n.end), Message: m[2] + " has it here"})
	}
	if next := nextNumber(fields); next > 0 {
		d.Hint = fmt.Sprintf("the next free number is %d", next)
	}
	return true
}

// nextNumber returns the number after the highest used, 0 if that is not free to use.
func nextNumber(fields []numbered) int64 {
	highest := int64(0)
	for _, n := range fields {
		highest = max(highest, n.number)
	}
	if highest+1 >= firstReservedNumber {
		return 0
	}
	return highest + 1
}

// firstReservedNumber starts the range that protobuf keeps for itself: 19000 to 19999.
const firstReservedNumber = 19000

func rewriteNoNumber(_ *loader, f *source, d *diag.Diagnostic, m []string) bool {
	dot := strings.LastIndexByte(m[1], '.')
	d.Message = fmt.Sprintf("field %s has no number", m[1])
	if dot < 0 {
		return true
	}
	if next := nextNumber(numbers(f.tree, f.message(m[1][:dot]))); next > 0 {
		d.Hint = fmt.Sprintf("the next free number is %d: %s = %d;", next, m[1][dot+1:], next)
	}
	return true
}

func rewriteReserved(_ *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	d.Message = fmt.Sprintf("field %s uses number %s, which message %s reserves", m[2], m[3], m[1])
	if m[4] != m[5] {
		d.Message += fmt.Sprintf(" (%s to %s)", m[4], m[5])
	}
	d.Hint = "a reserved number was in use once; take another"
	return true
}

func rewriteReservedName(_ *loader, _ *source, d *diag.Diagnostic, m []string) bool {
	d.Message = fmt.Sprintf("%s is a name that %s reserves", m[2], m[1])
	d.Hint = "a reserved name was in use once; take another"
	return true
}

func rewriteOpenString(_ *loader, _ *source, d *diag.Diagnostic, _ []string) bool {
	d.Message = "the string does not end on this line"
	return true
}

// rewriteEnumNumber names both places of an enum's number.
func rewriteEnumNumber(_ *loader, f *source, d *diag.Diagnostic, m []string) bool {
	if f.src.Text()[d.Place.Start:d.Place.End] != m[4] && m[4] == "0" {
		return false // it is out of range, which is reported, and was taken as 0
	}
	d.Message = fmt.Sprintf("number %s of enum %s is used twice: by %s and by %s", m[4], m[1], m[2], m[3])
	d.Hint = "if both names are meant, put \"option allow_alias = true;\" into the enum"
	name := m[2][strings.LastIndexByte(m[2], '.')+1:]
	_ = ast.Walk(f.tree, &ast.SimpleVisitor{DoVisitEnumValueNode: func(v *ast.EnumValueNode) error {
		if f.original(v.Name.Val) == name && len(d.Notes) == 0 {
			start, end := span(f.tree.NodeInfo(v.Number))
			d.Notes = append(d.Notes, diag.Note{Place: f.src.Place(start, end), Message: m[2] + " has it here"})
		}
		return nil
	}})
	return true
}

// message finds a message's declaration by its full name.
func (f *source) message(fullName string) ast.Node {
	pkg := ""
	var found ast.Node
	var visit func(scope string, decls []ast.Node)
	visit = func(scope string, decls []ast.Node) {
		for _, decl := range decls {
			switch decl := decl.(type) {
			case *ast.PackageNode:
				pkg = string(decl.Name.AsIdentifier()) + "."
				scope = pkg
			case *ast.MessageNode:
				name := scope + decl.Name.Val
				if f.original(name) == fullName || f.original(strings.TrimPrefix(name, pkg)) == fullName {
					found = decl
				}
				visit(name+".", children(decl.Decls))
			case *ast.GroupNode:
				visit(scope+decl.Name.Val+".", children(decl.Decls))
			}
		}
	}
	visit("", children(f.tree.Decls))
	return found
}

// children turns the elements of any body into nodes.
func children[T ast.Node](elements []T) []ast.Node {
	nodes := make([]ast.Node, len(elements))
	for i, e := range elements {
		nodes[i] = e
	}
	return nodes
}

// numbers lists the fields of a message, those in oneofs included.
func numbers(tree *ast.FileNode, message ast.Node) []numbered {
	var found []numbered
	add := func(name *ast.IdentNode, tag *ast.UintLiteralNode) {
		if name != nil && tag != nil {
			start, end := span(tree.NodeInfo(tag))
			found = append(found, numbered{name.Val, int64(tag.Val), start, end})
		}
	}
	var visit func(decls []ast.Node)
	visit = func(decls []ast.Node) {
		for _, decl := range decls {
			switch decl := decl.(type) {
			case *ast.FieldNode:
				add(decl.Name, decl.Tag)
			case *ast.MapFieldNode:
				add(decl.Name, decl.Tag)
			case *ast.GroupNode:
				add(decl.Name, decl.Tag)
			case *ast.OneofNode:
				visit(children(decl.Decls))
			}
		}
	}
	if m, ok := message.(*ast.MessageNode); ok {
		visit(children(m.Decls))
	}
	return found
}

// rewriteUnknownType looks for the type in files that are not imported and among names alike.
func rewriteUnknownType(l *loader, f *source, d *diag.Diagnostic, m []string) bool {
	wanted := strings.TrimPrefix(m[1], ".")
	d.Message = strings.TrimSuffix(strings.SplitN(d.Message, ";", 2)[0], " ")
	if rewriteMethodScalar(d, wanted) {
		return true
	}
	imported := map[string]bool{}
	for _, imp := range f.imports {
		imported[imp.name] = true
	}
	best := ""
	for name, file := range builtins() {
		if imported[name] {
			continue
		}
		for full := range typesOf(file) {
			if full == wanted || strings.HasSuffix(full, "."+wanted) {
				if hint := fmt.Sprintf("%s is in %q: import it", full, name); best == "" || hint < best {
					best = hint
				}
			}
		}
	}
	if near := l.similarType(f, wanted); near != "" {
		best = near
	}
	if best == "" && !strings.Contains(wanted, ".") {
		best = scalarHint(wanted)
	}
	d.Hint = best
	return true
}

// typesOf yields the full names of the top-level messages and enums of a file.
func typesOf(file protoreflect.FileDescriptor) map[string]bool {
	names := map[string]bool{}
	for i := range file.Messages().Len() {
		names[string(file.Messages().Get(i).FullName())] = true
	}
	for i := range file.Enums().Len() {
		names[string(file.Enums().Get(i).FullName())] = true
	}
	return names
}

func rewriteEdition(_ *loader, f *source, d *diag.Diagnostic, m []string) bool {
	f.unknownEdition = true
	d.Message = fmt.Sprintf("edition %s is not supported", m[1])
	d.Hint = `known are edition = "2024", edition = "2023", syntax = "proto3" and syntax = "proto2"`
	return true
}
