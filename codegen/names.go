package codegen

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Place is where something is declared.
type Place struct {
	// File is the name of the .proto file, as imports spell it.
	File string
	// Line counts from 1; 0 if the descriptor has no source information.
	Line int
	// Column counts from 1 as the compiler that made the descriptor counts; a tab fills up to a
	// multiple of 8, and beyond ASCII protoc counts bytes and naru characters. 0 if there is no
	// source information.
	Column int
}

// String returns file:line:column, or the file alone if the rest is not known.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// NameError reports two declarations that need the same identifier in one Go package.
type NameError struct {
	// GoName is the identifier.
	GoName string
	// GoPackage is the import path of the package.
	GoPackage string
	// First is the declaration that had the name before, as "method shop.Cart.add".
	First string
	// Second is the declaration that needs it too.
	Second string
	// FirstPlace is where First stands.
	FirstPlace Place
	// SecondPlace is where Second stands.
	SecondPlace Place
}

// Error says in one line which declaration needs which name and who has it, with both places.
func (e *NameError) Error() string {
	return fmt.Sprintf("%s: %s needs the Go name %s, which %s at %s has already",
		e.SecondPlace, e.Second, e.GoName, e.First, e.FirstPlace)
}

// scope holds the Go identifiers of one Go package.
type scope map[string]protoreflect.Descriptor

// CheckMessages finds identifiers that protoc-gen-go would declare twice in one Go package, such as
// MyMessage for the messages my_message and MyMessage. Only files that are to be generated are
// reported, together with any other file of gen in the same package. It returns nil, a *NameError
// or several joined.
func CheckMessages(gen *protogen.Plugin) error {
	_, errs := messageScopes(gen)
	return errors.Join(errs...)
}

// messageScopes returns what protoc-gen-go declares in each Go package that has a file to generate.
func messageScopes(gen *protogen.Plugin) (map[protogen.GoImportPath]scope, []error) {
	scopes := map[protogen.GoImportPath]scope{}
	for _, file := range gen.Files {
		if file.Generate {
			scopes[file.GoImportPath] = scope{}
		}
	}
	var errs []error
	for _, file := range gen.Files {
		if sc, ok := scopes[file.GoImportPath]; ok {
			c := &messageNames{scope: sc, importPath: file.GoImportPath}
			c.addFile(file)
			errs = append(errs, c.errs...)
		}
	}
	return scopes, errs
}

// checkNames finds identifiers that two declarations claim in one Go package.
func checkNames(gen *protogen.Plugin, targets []*target) error {
	scopes, errs := messageScopes(gen)
	for _, t := range targets {
		if scopes[t.importPath] == nil {
			scopes[t.importPath] = scope{}
		}
		for _, s := range t.file.Services {
			errs = append(errs, scopes[t.importPath].addService(t, newService(s))...)
		}
	}
	return errors.Join(errs...)
}

// messageNames enters what protoc-gen-go declares for a file.
type messageNames struct {
	scope
	importPath protogen.GoImportPath
	errs       []error
}

// claim enters names for d unless one is taken. It reports whether all were free.
func (c *messageNames) claim(d protoreflect.Descriptor, names ...string) bool {
	err := c.scope.claim(c.importPath, names, d)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	return err == nil
}

func (c *messageNames) addFile(file *protogen.File) {
	c.claim(file.Desc, file.GoDescriptorIdent.GoName)
	for _, e := range file.Enums {
		c.addEnum(e)
	}
	for _, m := range file.Messages {
		c.addMessage(m)
	}
	for _, x := range file.Extensions {
		c.claim(x.Desc, "E_"+x.GoIdent.GoName)
	}
}

func (c *messageNames) addEnum(e *protogen.Enum) {
	if !c.claim(e.Desc, e.GoIdent.GoName) {
		return // with the enum's name taken, its values' names tell nothing new
	}
	for _, v := range e.Values {
		c.claim(v.Desc, v.GoIdent.GoName)
	}
}

func (c *messageNames) addMessage(m *protogen.Message) {
	if m.Desc.IsMapEntry() || !c.claim(m.Desc, m.GoIdent.GoName) {
		return
	}
	for _, f := range m.Fields {
		if f.Oneof != nil && !f.Oneof.Desc.IsSynthetic() {
			c.claim(f.Desc, f.GoIdent.GoName) // the wrapper type of the oneof's case
		}
	}
	for _, e := range m.Enums {
		c.addEnum(e)
	}
	for _, n := range m.Messages {
		c.addMessage(n)
	}
	for _, x := range m.Extensions {
		c.claim(x.Desc, "E_"+x.GoIdent.GoName)
	}
}

// addService enters a service and returns its collisions, one per pair of declarations: the names
// made for a service collide all together.
func (sc scope) addService(t *target, s *service) []error {
	var errs []error
	if err := sc.claim(t.importPath, s.names(), s.Desc); err != nil {
		// With the service's name taken, its methods' names tell nothing new.
		return append(errs, err)
	}
	goNames := map[string]protoreflect.Descriptor{}
	for _, m := range s.methods {
		if first, taken := goNames[m.GoName]; taken {
			errs = append(errs, newNameError(t.importPath, m.GoName, first, m.Desc))
			continue
		}
		goNames[m.GoName] = m.Desc
		if err := sc.claim(t.importPath, m.names(), m.Desc); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// claim enters names for d unless one is taken.
func (sc scope) claim(importPath protogen.GoImportPath, names []string, d protoreflect.Descriptor) error {
	for _, name := range names {
		if first, taken := sc[name]; taken {
			return newNameError(importPath, name, first, d)
		}
	}
	for _, name := range names {
		sc[name] = d
	}
	return nil
}

func newNameError(importPath protogen.GoImportPath, name string, first, second protoreflect.Descriptor) *NameError {
	return &NameError{
		GoName: name, GoPackage: string(importPath),
		First: describe(first), FirstPlace: placeOf(first),
		Second: describe(second), SecondPlace: placeOf(second),
	}
}

// nameField is the number of the field that holds the name in every descriptor proto.
const nameField = 1

// placeOf returns where the name of d stands.
func placeOf(d protoreflect.Descriptor) Place {
	file := d.ParentFile()
	if _, isFile := d.(protoreflect.FileDescriptor); isFile {
		return Place{File: file.Path()}
	}
	locations := file.SourceLocations()
	whole := locations.ByDescriptor(d)
	p := Place{File: file.Path()}
	if whole.Path == nil {
		return p
	}
	name := locations.ByPath(append(whole.Path[:len(whole.Path):len(whole.Path)], nameField))
	if name.Path == nil {
		name = whole
	}
	p.Line, p.Column = name.StartLine+1, name.StartColumn+1
	return p
}

func describe(d protoreflect.Descriptor) string {
	kind := "declaration"
	switch d := d.(type) {
	case protoreflect.FileDescriptor:
		return "file " + d.Path()
	case protoreflect.MessageDescriptor:
		kind = "message"
	case protoreflect.EnumDescriptor:
		kind = "enum"
	case protoreflect.EnumValueDescriptor:
		kind = "enum value"
	case protoreflect.FieldDescriptor:
		kind = "field"
	case protoreflect.ServiceDescriptor:
		kind = "service"
	case protoreflect.MethodDescriptor:
		kind = "method"
	}
	return kind + " " + string(d.FullName())
}
