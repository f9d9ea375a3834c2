package gen

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
	"github.com/naru-rpc/naru/codegen"
)

// generate returns the Go files for the named files. Mistakes that only show in Go, such as names that
// collide, are added to the result's findings.
func generate(c *config, result *protosrc.Result, names []string, targets map[string]*goTarget) ([]output, error) {
	gen, err := newPlugin(result, names, targets)
	if err != nil {
		return nil, err
	}
	sources := placeFiles(gen, targets)
	if c.only != "services" {
		for _, f := range gen.Files {
			if f.Generate {
				internal_gengo.GenerateFile(gen, f)
			}
		}
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
	for _, f := range response.File {
		outputs = append(outputs, output{
			path:    filepath.FromSlash(f.GetName()),
			content: []byte(f.GetContent()),
			source:  sourceOf(sources, f.GetName()),
		})
	}
	return outputs, nil
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
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: &parameter, ProtoFile: result.Files}
	return protogen.Options{}.New(request)
}

// placeFiles replaces the paths that protogen made by those that were planned, and returns which .proto file
// goes to which path without extension.
func placeFiles(gen *protogen.Plugin, targets map[string]*goTarget) map[string]string {
	sources := map[string]string{}
	for _, f := range gen.Files {
		if f.Generate {
			base := strings.TrimSuffix(path.Base(f.Desc.Path()), ".proto")
			f.GeneratedFilenamePrefix = filepath.ToSlash(filepath.Join(targets[f.Desc.Path()].dir, base))
			sources[f.GeneratedFilenamePrefix] = f.Desc.Path()
		}
	}
	return sources
}

// sourceOf returns the .proto file that a generated file is from, by placeFiles' answer.
func sourceOf(sources map[string]string, name string) string {
	name = strings.TrimSuffix(name, ".pb.go")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_naru"), "_protoopaque")
	if source, ok := sources[name]; ok {
		return source
	}
	return sources[path.Join(path.Dir(path.Dir(name)), path.Base(name))] // a package of its own, one folder down
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
			Hint:    nameHint(name),
		})
	}
	return errFindings
}

func nameHint(name *codegen.NameError) string {
	if strings.HasPrefix(name.First, "method ") && strings.HasPrefix(name.Second, "method ") {
		return "rename one of the two; the case of a first letter and underscores do not tell names apart in Go"
	}
	return "rename one of the two, or put the services into a package of their own: --package own"
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
