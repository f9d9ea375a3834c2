package gen

import (
	"errors"
	"fmt"
	"go/build"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
	"github.com/naru-rpc/naru/codegen"
)

// generate returns the Go files for the named files. Mistakes that only show in Go, such as names
// that collide, are added to the result's findings.
func generate(c *config, result *protosrc.Result, names []string, targets map[string]*goTarget) ([]output, error) {
	gen, err := newPlugin(result, names, targets)
	if err != nil {
		return nil, err
	}
	placed := placeFiles(gen, targets)
	if err := codegen.CheckMessages(gen); err != nil {
		return nil, addNameErrors(result, err)
	}
	messages := 0
	if c.only != "services" {
		for _, f := range gen.Files {
			if f.Generate {
				internal_gengo.GenerateFile(gen, f)
			}
		}
		messages = len(gen.Response().File)
	}
	if c.only != "messages" {
		opts := codegen.Options{OwnPackage: c.pkg == "own"}
		if err := codegen.Generate(gen, opts); err != nil {
			return nil, addNameErrors(result, err)
		}
	}
	response := gen.Response()
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	var outputs []output
	for i, f := range response.File {
		o := output{path: filepath.FromSlash(f.GetName()), content: []byte(f.GetContent())}
		if i < messages {
			o.source = placed.messages(f.GetName())
			o.path = unconstrained(o.path)
		} else {
			o.source = placed.services(f.GetName())
		}
		outputs = append(outputs, o)
	}
	return outputs, nil
}

// unconstrained returns the path for a file of messages, with "_proto" before its extension if its
// name is a build constraint: push_ios.pb.go would be left out everywhere but on iOS.
func unconstrained(file string) string {
	anywhere := build.Context{OpenFile: func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("package p\n")), nil
	}}
	if ok, err := anywhere.MatchFile("", filepath.Base(file)); ok || err != nil {
		return file
	}
	base, ext, _ := strings.Cut(filepath.Base(file), ".")
	return filepath.Join(filepath.Dir(file), base+"_proto."+ext)
}

// newPlugin hands the descriptors to protogen, as protoc would.
func newPlugin(result *protosrc.Result, names []string, targets map[string]*goTarget) (*protogen.Plugin, error) {
	var parameters []string
	for _, f := range result.Files {
		t := targets[f.GetName()]
		if t.explicit {
			continue
		}
		if strings.ContainsAny(f.GetName(), ",=") {
			return nil, cli.WithHint(fmt.Errorf("%s: a comma or = in a file's name cannot be handed to Go generators", f.GetName()),
				"rename the file, or give it an option go_package")
		}
		value := t.importPath
		if t.name != "" {
			value += ";" + t.name
		}
		parameters = append(parameters, "M"+f.GetName()+"="+value)
	}
	parameter := strings.Join(parameters, ",")
	for _, f := range result.Files {
		makeCommentsSafe(f)
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: &parameter, ProtoFile: result.Files}
	return protogen.Options{}.New(request)
}

// makeCommentsSafe changes comments that protoc-gen-go would copy into the code and that would
// break it there.
func makeCommentsSafe(f *descriptorpb.FileDescriptorProto) {
	for _, l := range f.GetSourceCodeInfo().GetLocation() {
		for _, text := range []*string{l.LeadingComments, l.TrailingComments} {
			if text != nil {
				*text = codegen.SafeComment(*text)
			}
		}
		for i, text := range l.LeadingDetachedComments {
			l.LeadingDetachedComments[i] = codegen.SafeComment(text)
		}
	}
}

// placement is which .proto file goes to which path without extension.
type placement map[string]string

// placeFiles replaces the paths that protogen made by those that were planned.
func placeFiles(gen *protogen.Plugin, targets map[string]*goTarget) placement {
	placed := placement{}
	for _, f := range gen.Files {
		if f.Generate {
			base := strings.TrimSuffix(path.Base(f.Desc.Path()), ".proto")
			f.GeneratedFilenamePrefix = filepath.ToSlash(filepath.Join(targets[f.Desc.Path()].dir, base))
			placed[f.GeneratedFilenamePrefix] = f.Desc.Path()
		}
	}
	return placed
}

// messages returns the .proto file that a file of messages is from.
func (p placement) messages(name string) string {
	name = strings.TrimSuffix(name, ".pb.go")
	if source, ok := p[name]; ok {
		return source
	}
	return p[strings.TrimSuffix(name, "_protoopaque")]
}

// services returns the .proto file that a file of services is from.
func (p placement) services(name string) string {
	name = strings.TrimSuffix(name, "_naru.pb.go")
	if source, ok := p[name]; ok {
		return source
	}
	return p[path.Join(path.Dir(path.Dir(name)), path.Base(name))] // a package of its own, one folder down
}

// errFindings says that the result's findings tell what is wrong.
var errFindings = errors.New("the files have mistakes")

// addNameErrors turns collisions of Go names into findings.
func addNameErrors(result *protosrc.Result, err error) error {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, e := range errs {
		var name *codegen.NameError
		if !errors.As(e, &name) {
			return err
		}
		result.Findings.Add(&diag.Diagnostic{
			Place:   place(result, name.SecondPlace),
			Message: fmt.Sprintf("%s needs the Go name %s, which is taken", name.Second, name.GoName),
			Notes:   []diag.Note{{Place: place(result, name.FirstPlace), Message: "by " + name.First}},
			Hint:    nameHint(name, packageOf(result, name.FirstPlace.File) == packageOf(result, name.SecondPlace.File)),
		})
	}
	return errFindings
}

// nameHint says what helps. With the services in a package of their own the messages' names no
// longer matter to them, but two services collide there as they do here.
func nameHint(name *codegen.NameError, samePackage bool) string {
	first, _, _ := strings.Cut(name.First, " ")
	second, _, _ := strings.Cut(name.Second, " ")
	ofServices := map[string]bool{"method": true, "service": true}
	switch {
	case !samePackage:
		return fmt.Sprintf("both files are in the Go package %s, but their packages differ: give each package a Go package of its own with option go_package", name.GoPackage)
	case first == second && first != "service", !ofServices[first] && !ofServices[second]:
		return "rename one of the two; the case of a first letter and underscores do not tell names apart in Go"
	case ofServices[first] && ofServices[second]:
		return "rename one of the two: the Go names that are made for a service have to differ from those of all others"
	}
	return "rename one of the two, or put the services into a package of their own: --package own"
}

// packageOf returns the package of a file.
func packageOf(result *protosrc.Result, file string) string {
	for _, f := range result.Files {
		if f.GetName() == file {
			return f.GetPackage()
		}
	}
	return ""
}

func place(result *protosrc.Result, p codegen.Place) diag.Place {
	src := result.Source(p.File)
	if src == nil || p.Line == 0 {
		return diag.Place{File: p.File}
	}
	at := src.Offset(p.Line-1, p.Column-1)
	end := at + strings.IndexFunc(src.Text()[at:]+" ", func(r rune) bool {
		return !slices.Contains([]rune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), r)
	})
	return src.Place(at, end)
}
