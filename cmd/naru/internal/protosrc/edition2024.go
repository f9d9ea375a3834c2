package protosrc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

// Edition 2024 adds three things to the grammar: the words export and local before message and
// enum, and "import option". The parser knows editions up to 2023, so it gets a text of that
// edition, with the new words blanked; what they said is entered into the descriptor. See
// https://protobuf.dev/editions/features and descriptor.proto.

// edition2024 is what the new words of one file say. The zero value is that of a file of another
// edition.
type edition2024 struct {
	is bool
	// visibility holds export and local, by the offset of the word message or enum behind it.
	visibility map[int]descriptorpb.SymbolVisibility
	// options are the names that are imported for their options only.
	options map[string]bool
}

// downgrade returns text for the parser and what was taken out of it.
func downgrade(text string) (string, edition2024) {
	t := tokenizer{text: text}
	if !t.next() || t.token() != "edition" || !t.next() || t.token() != "=" || !t.next() || strings.Trim(t.token(), `"'`) != "2024" {
		return text, edition2024{}
	}
	e := edition2024{is: true, visibility: map[int]descriptorpb.SymbolVisibility{}, options: map[string]bool{}}
	out := []byte(text)
	copy(out[t.start+1:], "2023")
	blank := func(start, end int) {
		for i := start; i < end; i++ {
			out[i] = ' '
		}
	}
	first := true // whether the token can start a statement
	for t.next() {
		word, start, end := t.token(), t.start, t.end
		statement := first
		first = word == ";" || word == "{" || word == "}"
		if !statement || word != "export" && word != "local" && word != "import" {
			continue
		}
		ahead := t
		if !ahead.next() {
			break
		}
		switch next := ahead.token(); {
		case word == "import" && next == "option":
			blank(ahead.start, ahead.end)
			if ahead.next() {
				name, _ := stringValue([]string{ahead.token()})
				e.options[name] = true
			}
		case word != "import" && (next == "message" || next == "enum"):
			blank(start, end)
			e.visibility[ahead.start] = descriptorpb.SymbolVisibility_VISIBILITY_EXPORT
			if word == "local" {
				e.visibility[ahead.start] = descriptorpb.SymbolVisibility_VISIBILITY_LOCAL
			}
		}
	}
	return string(out), e
}

// upgrade enters into a parsed file what downgrade took out of its text.
func (f *source) upgrade(parsed parser.Result) {
	if !f.edition2024.is {
		return
	}
	fd := parsed.FileDescriptorProto()
	fd.Edition = descriptorpb.Edition_EDITION_2024.Enum()
	visibility := func(node ast.Node) *descriptorpb.SymbolVisibility {
		if node == nil {
			return nil
		}
		if v, ok := f.edition2024.visibility[f.tree.NodeInfo(node).Start().Offset]; ok {
			return v.Enum()
		}
		return nil
	}
	enums := func(all []*descriptorpb.EnumDescriptorProto) {
		for _, e := range all {
			e.Visibility = visibility(parsed.EnumNode(e))
		}
	}
	var messages func([]*descriptorpb.DescriptorProto)
	messages = func(all []*descriptorpb.DescriptorProto) {
		for _, m := range all {
			m.Visibility = visibility(parsed.MessageNode(m))
			enums(m.EnumType)
			messages(m.NestedType)
		}
	}
	enums(fd.EnumType)
	messages(fd.MessageType)
}

// separateOptionImports moves the imports that are there for options only to the descriptor's field
// for them. The linker needs them among the others.
func (f *source) separateOptionImports(fd *descriptorpb.FileDescriptorProto) {
	if len(f.edition2024.options) == 0 {
		return
	}
	var kept []string
	moved := map[int32]int32{} // index among all: index among those kept
	for i, name := range fd.Dependency {
		if f.edition2024.options[name] {
			fd.OptionDependency = append(fd.OptionDependency, name)
			continue
		}
		moved[int32(i)] = int32(len(kept))
		kept = append(kept, name)
	}
	fd.Dependency = kept
	for i, index := range fd.PublicDependency {
		fd.PublicDependency[i] = moved[index]
	}
}

// checkReferences reports types that f uses and must not: those that another file keeps local, and
// those of a file that is imported for its options only.
func (l *loader) checkReferences(f *source, file protoreflect.FileDescriptor) {
	check := func(user, used protoreflect.Descriptor) {
		if used == nil || used.ParentFile() == nil || used.ParentFile().Path() == file.Path() {
			return
		}
		owner := l.files[used.ParentFile().Path()]
		switch {
		case owner == nil:
		case f.edition2024.options[owner.name]:
			l.addReference(f, user, fmt.Sprintf("%s is used as a type, but %q is imported for its options only", used.FullName(), owner.name),
				fmt.Sprintf("import %q; without the word option", owner.name))
		case owner.edition2024.is && isLocal(used):
			l.addReference(f, user, fmt.Sprintf("%s is local to %q", used.FullName(), owner.name),
				"mark it with export there: in edition 2024 nested messages and enums are local unless marked")
		}
	}
	var messages func(protoreflect.MessageDescriptors)
	fields := func(user protoreflect.FieldDescriptor) {
		if m := user.Message(); m != nil && !m.IsMapEntry() {
			check(user, m)
		}
		if e := user.Enum(); e != nil {
			check(user, e)
		}
	}
	messages = func(all protoreflect.MessageDescriptors) {
		for i := range all.Len() {
			for j := range all.Get(i).Fields().Len() {
				fields(all.Get(i).Fields().Get(j))
			}
			messages(all.Get(i).Messages())
		}
	}
	messages(file.Messages())
	for i := range file.Extensions().Len() {
		fields(file.Extensions().Get(i))
	}
	for i := range file.Services().Len() {
		methods := file.Services().Get(i).Methods()
		for j := range methods.Len() {
			check(methods.Get(j), methods.Get(j).Input())
			check(methods.Get(j), methods.Get(j).Output())
		}
	}
}

// isLocal reports whether other files must not use a message or enum of an edition 2024 file.
func isLocal(d protoreflect.Descriptor) bool {
	visibility, nested := declaredVisibility(d), false
	if visibility != descriptorpb.SymbolVisibility_VISIBILITY_UNSET {
		return visibility == descriptorpb.SymbolVisibility_VISIBILITY_LOCAL
	}
	if _, ok := d.Parent().(protoreflect.MessageDescriptor); ok {
		nested = true
	}
	options, _ := d.ParentFile().Options().(*descriptorpb.FileOptions)
	switch options.GetFeatures().GetDefaultSymbolVisibility() {
	case descriptorpb.FeatureSet_VisibilityFeature_EXPORT_ALL:
		return false
	case descriptorpb.FeatureSet_VisibilityFeature_LOCAL_ALL, descriptorpb.FeatureSet_VisibilityFeature_STRICT:
		return true
	}
	return nested // EXPORT_TOP_LEVEL is the default
}

// declaredVisibility returns what stands before a message or enum. The descriptor knows it only as
// a proto.
func declaredVisibility(d protoreflect.Descriptor) descriptorpb.SymbolVisibility {
	type visible interface {
		GetVisibility() descriptorpb.SymbolVisibility
	}
	wrapper, ok := d.(interface {
		AsProto() protoreflect.ProtoMessage
	})
	if !ok {
		return descriptorpb.SymbolVisibility_VISIBILITY_UNSET
	}
	if v, ok := wrapper.AsProto().(visible); ok {
		return v.GetVisibility()
	}
	return descriptorpb.SymbolVisibility_VISIBILITY_UNSET
}

// addReference reports at the line of the field or method that uses a type.
func (l *loader) addReference(f *source, user protoreflect.Descriptor, message, hint string) {
	d := &diag.Diagnostic{Place: diag.Place{File: f.shown()}, Message: fmt.Sprintf("%s: %s", user.FullName(), message), Hint: hint}
	if start, end, ok := f.declaration(user); ok {
		d.Place = f.src.Place(start, end)
	}
	l.list.Add(d)
}

// declaration finds the name of a field or method in the text.
func (f *source) declaration(d protoreflect.Descriptor) (start, end int, ok bool) {
	wrapper, isWrapper := d.(interface {
		AsProto() protoreflect.ProtoMessage
	})
	if !isWrapper || f.parsed == nil {
		return 0, 0, false
	}
	var name ast.Node
	switch p := wrapper.AsProto().(type) {
	case *descriptorpb.FieldDescriptorProto:
		if node := f.parsed.FieldNode(p); node != nil {
			name = node.FieldName()
		}
	case *descriptorpb.MethodDescriptorProto:
		if node, isMethod := f.parsed.MethodNode(p).(*ast.RPCNode); isMethod {
			name = node.Name
		}
	}
	if name == nil {
		return 0, 0, false
	}
	start, end = span(f.tree.NodeInfo(name))
	return start, end, true
}

// needsReferenceCheck reports whether f uses files that edition 2024 lets hide something.
func (l *loader) needsReferenceCheck(f *source) bool {
	return len(f.edition2024.options) > 0 || slices.ContainsFunc(f.order(l), func(dep *source) bool { return dep.edition2024.is })
}

// order returns the files whose types f may use: its imports and their public imports.
func (f *source) order(l *loader) []*source {
	var all []*source
	for _, imp := range f.imports {
		if dep := l.files[imp.name]; dep != nil {
			all = append(all, dep)
			for _, public := range dep.imports {
				if public.public {
					all = append(all, dep.order(l)...)
					break
				}
			}
		}
	}
	return all
}
