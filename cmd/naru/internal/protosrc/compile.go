package protosrc

import (
	"slices"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/protoutil"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/bufbuild/protocompile/sourceinfo"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

const descriptorProto = "google/protobuf/descriptor.proto"

// Result is what a run of Compile found.
type Result struct {
	// Findings holds errors and warnings. With an error among them descriptors may be missing.
	Findings *diag.List
	// Files are the descriptors of the compiled files and all they import, each after what it
	// imports. Those of files on disk carry source information (comments, positions).
	Files []*descriptorpb.FileDescriptorProto

	sources map[string]*source
}

// Path returns where the file with an import name lies; "" for a built-in file.
func (r *Result) Path(name string) string {
	if f := r.sources[name]; f != nil {
		return f.path
	}
	return ""
}

// GoPackage returns the name of the Go package for a file that is known from its generated code, ""
// for others.
func (r *Result) GoPackage(name string) string {
	if f := r.sources[name]; f != nil {
		return f.goPackage
	}
	return ""
}

// Source returns the text of a file by its import name; nil for a built-in or unknown one.
func (r *Result) Source(name string) *diag.Source {
	if f := r.sources[name]; f != nil {
		return f.src
	}
	return nil
}

// Compile compiles the files with the given import names, looked up in sources, then among the
// built-in files. Mistakes in the files are findings, not errors of Compile.
func Compile(sources Sources, names []string) *Result {
	list := &diag.List{}
	l := newLoader(sources, list)
	for _, name := range names {
		l.generated[name] = true
	}
	for _, name := range names {
		l.load(name, nil, importRef{}, nil)
	}
	c := &compiler{loader: l, symbols: &linker.Symbols{}, linked: map[string]linker.File{}}
	for _, name := range l.order {
		c.compile(l.files[name], slices.Contains(names, name))
	}
	res := &Result{Findings: list, sources: l.files}
	if errors, _ := list.Count(); errors > 0 {
		return res
	}
	for _, name := range l.order {
		fd := protoutil.ProtoFromFileDescriptor(c.linked[name])
		l.files[name].separateOptionImports(fd)
		res.Files = append(res.Files, fd)
	}
	return res
}

// compiler links files in an order in which each comes after its imports. Used by one goroutine, so
// that findings do not depend on chance.
type compiler struct {
	*loader
	symbols *linker.Symbols
	linked  map[string]linker.File
}

// compile links one file. explicit: the file was asked for, not only imported.
func (c *compiler) compile(f *source, explicit bool) {
	for _, imp := range f.imports {
		dep := c.files[imp.name]
		f.partial = f.partial || dep.unusable || dep.reexports
		f.reexports = f.reexports || imp.public && (dep.unusable || dep.reexports)
	}
	c.guarded(f, "compiler", func() {
		switch {
		case f.builtin != nil:
			c.linkBuiltin(f)
		case !f.unusable:
			c.link(f, explicit)
		}
	})
	if c.linked[f.name] == nil {
		f.unusable = true
		c.linked[f.name] = c.stub(f.name)
	}
}

// stub returns an empty file to take the place of an unusable one.
func (c *compiler) stub(name string) linker.File {
	empty := parser.ResultWithoutAST(&descriptorpb.FileDescriptorProto{Name: proto.String(name)})
	file, err := linker.Link(empty, nil, c.symbols, reporter.NewHandler(nil))
	if err != nil {
		panic("BUG: linking an empty file: " + err.Error())
	}
	return file
}

// linkBuiltin links a built-in file with the imports of this run, which may be the user's own.
func (c *compiler) linkBuiltin(f *source) {
	file, err := linker.Link(parser.ResultWithoutAST(f.builtin), c.deps(f), c.symbols, reporter.NewHandler(c.reporter(f)))
	if err == nil {
		c.linked[f.name] = file
	}
}

// deps returns the linked imports of f.
func (c *compiler) deps(f *source) linker.Files {
	var deps linker.Files
	for _, imp := range f.imports {
		deps = append(deps, c.linked[imp.name])
	}
	return deps
}

func (c *compiler) link(f *source, explicit bool) {
	// Each step has a handler of its own: a step does not start if its handler has seen an error.
	handler := func() *reporter.Handler { return reporter.NewHandler(c.reporter(f)) }
	parsed, basicErr := parser.ResultFromAST(f.tree, true, handler())
	f.upgrade(parsed)
	f.renameImports(parsed.FileDescriptorProto())
	f.parsed = parsed
	file, err := linker.Link(parsed, c.deps(f), c.symbols, handler())
	if file == nil {
		// Names defined twice stop the linker. Find out what else is wrong without them.
		renameDuplicates(parsed.FileDescriptorProto())
		file, _ = linker.Link(parsed, c.deps(f), &linker.Symbols{}, handler())
		if file == nil {
			return
		}
	}
	c.linked[f.name] = file
	var interpretOpts []options.InterpreterOption
	if d := c.linked[descriptorProto]; d != nil && c.files[descriptorProto].builtin == nil {
		interpretOpts = append(interpretOpts, options.WithOverrideDescriptorProto(d))
	}
	index, optionErr := options.InterpretOptions(file, handler(), interpretOpts...)
	if basicErr != nil || err != nil || optionErr != nil {
		return
	}
	if err := file.ValidateOptions(handler(), c.symbols); err != nil {
		return
	}
	if explicit && !f.partial {
		file.CheckForUnusedImports(handler())
	}
	if c.needsReferenceCheck(f) {
		c.checkReferences(f, file)
	}
	fd := file.FileDescriptorProto()
	fd.SourceCodeInfo = sourceinfo.GenerateSourceInfo(f.tree, index)
	file.PopulateSourceCodeInfo()
}

// renameImports puts names in place of other spellings.
func (f *source) renameImports(fd *descriptorpb.FileDescriptorProto) {
	for _, imp := range f.imports {
		if i := slices.Index(fd.Dependency, imp.spelled); i >= 0 && imp.spelled != "" {
			fd.Dependency[i] = imp.name
		}
	}
}
