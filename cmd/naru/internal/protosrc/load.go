package protosrc

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/gocode"
)

// source is one file of a run.
type source struct {
	name string
	// path is where the file lies; "" for a built-in.
	path    string
	builtin *descriptorpb.FileDescriptorProto // instead of text
	// goPackage is the name of the Go package for a file known from its generated code, else "".
	goPackage string
	src       *diag.Source
	scan      prescanned
	tree      *ast.FileNode // nil if unusable is set before parsing
	parsed    parser.Result // nil until linked

	edition2024 edition2024
	imports     []importRef

	// importedBy is the first file that imports this one, nil if it was named by itself; importedAt
	// is where.
	importedBy *source
	importedAt importRef

	// broken: from the offset brokenFrom on, what the parser says follows from a finding that is
	// reported.
	broken     bool
	brokenFrom int

	// unusable: the file could not be read, parsed or linked. Others get an empty file.
	unusable bool
	// unknownEdition: the file speaks a language that is not known; further findings would be
	// guesses.
	unknownEdition bool
	// reports counts what the parser and the linker said about the file.
	reports int
	// partial: the file may miss definitions because something it imports is unusable.
	partial bool
	// reexports: the file has public imports that are unusable, or have such.
	reexports bool
}

// importRef is an import statement.
type importRef struct {
	name       string
	spelled    string // what stands in the file if that is not the name, else ""
	start, end int    // of the quoted name
	public     bool
}

// loader reads and parses files and all they import. Used by one goroutine.
type loader struct {
	sources Sources
	list    *diag.List
	files   map[string]*source
	// byPath holds the files on disk by path: a file has one name.
	byPath map[string]*source
	// generated holds the names that code is generated for.
	generated map[string]bool
	// order holds the names so that every file comes after what it imports.
	order []string
}

func newLoader(sources Sources, list *diag.List) *loader {
	return &loader{sources: sources, list: list, files: map[string]*source{}, byPath: map[string]*source{}, generated: map[string]bool{}}
}

// load reads name and all it imports. from is the importing file, nil for a file of the command
// line.
func (l *loader) load(name string, from *source, ref importRef, chain []string) {
	if _, ok := l.files[name]; ok {
		if slices.Contains(chain, name) {
			l.reportCycle(from, ref, chain, name)
		}
		return
	}
	f := &source{name: name}
	l.files[name] = f
	l.read(f, from, ref)
	if f.src != nil && !f.unusable {
		l.parse(f)
	}
	chain = append(chain, name)
	for _, imp := range f.imports {
		l.load(imp.name, f, imp, chain)
	}
	l.order = append(l.order, name)
}

// read fills in f's text, from a root or the built-in files.
func (l *loader) read(f *source, from *source, ref importRef) {
	path, shown := "", ""
	if validName(f.name) {
		path, shown = l.sources.find(f.name)
	}
	if path == "" {
		l.readBuiltin(f, from, ref)
		return
	}
	f.path = path
	if first := l.byPath[path]; first != nil {
		f.unusable = true
		l.reportSecondName(first, f, from, ref)
		return
	}
	l.byPath[path] = f
	f.importedBy, f.importedAt = from, ref
	// What is there and cannot be read is an error, no reason to look on.
	text, err := os.ReadFile(path)
	if err != nil {
		f.unusable = true
		l.list.Add(&diag.Diagnostic{Place: diag.Place{File: shown}, Message: fmt.Sprintf("read: %v", err)})
		return
	}
	if strings.HasSuffix(path, ".pb.go") {
		l.readGoCode(f, text, from, ref)
		return
	}
	// A byte order mark is allowed; without it offsets are those of the parser.
	content := strings.TrimPrefix(string(text), "\uFEFF")
	if !l.generated[f.name] {
		content = repairComments(content)
	}
	f.src = diag.NewSource(shown, content)
	f.scan = prescan(f.src, l.list)
	f.unusable = f.scan.unreadable
}

// readBuiltin takes f from the built-in files.
func (l *loader) readBuiltin(f *source, from *source, ref importRef) {
	desc := Builtin(f.name)
	if desc == nil {
		f.unusable = true
		l.reportMissing(f.name, from, ref)
		return
	}
	f.take(protodesc.ToFileDescriptorProto(desc))
}

// take makes f the file of a descriptor.
func (f *source) take(fd *descriptorpb.FileDescriptorProto) {
	f.builtin = fd
	for i, dep := range fd.Dependency {
		f.imports = append(f.imports, importRef{name: dep, public: slices.Contains(fd.PublicDependency, int32(i))})
	}
}

// readGoCode takes f from the Go code that was generated from it.
func (l *loader) readGoCode(f *source, text []byte, from *source, ref importRef) {
	code, err := gocode.Parse(text)
	if err == nil && code.Descriptor.GetName() != f.name {
		err = fmt.Errorf("the descriptor is that of %q", code.Descriptor.GetName())
	}
	if err != nil {
		f.unusable = true
		l.list.Add(&diag.Diagnostic{
			Place:   from.place(ref),
			Message: fmt.Sprintf("import %q: %s was generated from it, but its descriptor cannot be read: %v", f.name, f.path, plainSpace(err)),
			Hint:    "give the folder of the .proto file with -I",
		})
		return
	}
	f.goPackage = code.Package
	f.take(code.Descriptor)
}

// place returns where an import stands; of a file without text, the file.
func (f *source) place(ref importRef) diag.Place {
	switch {
	case f == nil:
		return diag.Place{File: ref.name}
	case f.src == nil:
		return diag.Place{File: f.name}
	}
	return f.src.Place(ref.start, ref.end)
}

// parse fills in f's syntax tree and imports.
func (l *loader) parse(f *source) {
	handler := reporter.NewHandler(l.reporter(f))
	f.unusable = true
	if d := checkStructure(f.src, f.scan.text); d != nil {
		l.list.Add(d)
		f.brokenFrom, f.broken = d.Place.Start, true
	}
	f.scan.text, f.edition2024 = downgrade(f.scan.text)
	var tree *ast.FileNode
	l.guarded(f, "parser", func() {
		var err error
		tree, err = parser.Parse(f.name, strings.NewReader(f.scan.text), handler)
		f.unusable = err != nil
	})
	if tree == nil {
		return
	}
	f.tree = tree
	for _, decl := range tree.Decls {
		imp, ok := decl.(*ast.ImportNode)
		if !ok || imp.Name == nil {
			continue
		}
		start, end := span(tree.NodeInfo(imp.Name))
		ref := importRef{name: imp.Name.AsString(), start: start, end: end, public: imp.Public != nil}
		if name := l.sources.Aliases[Import{From: f.path, Name: ref.name}]; name != "" {
			l.list.Add(&diag.Diagnostic{
				Severity: diag.Warning,
				Place:    f.src.Place(start, end),
				Message:  fmt.Sprintf("imported as %q here, and as %q elsewhere; the latter is taken for its name", ref.name, name),
				Hint:     fmt.Sprintf("import %q: protoc refuses one file by two names", name),
			})
			ref.spelled, ref.name = ref.name, name
		}
		f.imports = append(f.imports, ref)
	}
}

// guarded runs f's parser or linker: both trust their input more than a file with mistakes
// deserves. After a finding of its own a panic tells nothing new.
func (l *loader) guarded(f *source, what string, run func()) {
	before, _ := l.list.Count()
	defer func() {
		if r := recover(); r != nil {
			if after, _ := l.list.Count(); after == before && !f.partial {
				l.list.Add(&diag.Diagnostic{Place: diag.Place{File: f.name}, Message: fmt.Sprintf("a bug in the %s: %v", what, r)})
			}
		}
	}()
	run()
}

// span returns the byte offsets of a node.
func span(s ast.SourceSpan) (start, end int) {
	from, to := s.Start(), s.End()
	if from.Line == to.Line && from.Col == to.Col {
		return from.Offset, from.Offset
	}
	return from.Offset, to.Offset + 1 // the end's offset is that of the last byte
}

// reportCycle says which way an import leads back to its own file. All on the way are unusable:
// none can be compiled before the other.
func (l *loader) reportCycle(from *source, ref importRef, chain []string, name string) {
	cycle := chain[slices.Index(chain, name):]
	for _, n := range cycle {
		l.files[n].unusable = true
	}
	d := &diag.Diagnostic{
		Place:   from.place(ref),
		Message: "import cycle: " + strings.Join(append(slices.Clone(cycle), name), " imports "),
		Hint:    "move what both need into a file that imports neither",
	}
	if len(cycle) == 1 {
		d.Message, d.Hint = "the file imports itself", "remove the import"
	}
	l.list.Add(d)
}

// reportSecondName says that a file goes by two names. A name is a key of protobuf's registry, so
// each definition of the file would be there twice.
func (l *loader) reportSecondName(first, second, from *source, ref importRef) {
	d := &diag.Diagnostic{
		Place:   diag.Place{File: second.name},
		Message: fmt.Sprintf("one file by two names: %s is %q here and %q elsewhere", first.shown(), second.name, first.name),
		Hint:    fmt.Sprintf("import it as %q everywhere, or as %q everywhere", first.name, second.name),
	}
	if from != nil && from.src != nil {
		d.Place = from.src.Place(ref.start, ref.end)
	}
	if first.importedBy != nil && first.importedBy.src != nil {
		place := first.importedBy.src.Place(first.importedAt.start, first.importedAt.end)
		d.Notes = append(d.Notes, diag.Note{Place: place, Message: "imported by the other name here"})
	}
	l.list.Add(d)
}

// reportMissing says that a file was not found and where it was looked for.
func (l *loader) reportMissing(name string, from *source, ref importRef) {
	d := &diag.Diagnostic{Place: diag.Place{File: name}, Message: "file not found"}
	if from != nil {
		d.Place = from.place(ref)
		d.Message = fmt.Sprintf("import %q not found", name)
	}
	if !validName(name) {
		d.Hint = "an import is a path below one of the import folders, with / between its parts and neither . nor .."
		if from != nil {
			besides := path.Join(path.Dir(from.name), name)
			if found, _ := l.sources.find(besides); found != "" {
				d.Hint = fmt.Sprintf("imports are paths from an import folder, not from the importing file: import %q", besides)
			} else if rest := path.Clean(name); validName(rest) {
				d.Hint += fmt.Sprintf(": import %q", rest)
			}
		}
		l.list.Add(d)
		return
	}
	var looked []string
	for _, r := range l.sources.Roots {
		looked = append(looked, r.shown(name))
	}
	d.Notes = append(d.Notes, diag.Note{Message: "looked for " + strings.Join(looked, ", ") + " and among the built-in files"})
	d.Hint = l.missingHint(name, from)
	l.list.Add(d)
}

// plainSpace is an error of the protobuf library, which writes no-break spaces into some builds so
// that programs do not depend on its texts; people read them, and search for them.
func plainSpace(err error) string { return strings.ReplaceAll(err.Error(), "\u00a0", " ") }
