package codegen

import (
	"fmt"
	"path"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// What the generator understands of the language, for protogen.Plugin.
const (
	// SupportedFeatures is the set of optional language features: proto3 optional and editions.
	SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL |
		pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
	// SupportedEditionsMinimum is the oldest edition; proto2 counts as one.
	SupportedEditionsMinimum = descriptorpb.Edition_EDITION_PROTO2
	// SupportedEditionsMaximum is the newest edition. No edition has changed services so far.
	SupportedEditionsMaximum = descriptorpb.Edition_EDITION_2024
)

// OwnPackageSuffix ends the name of a package made by Options.OwnPackage: the services of package
// shop go to package shopnaru.
const OwnPackageSuffix = "naru"

// Options are the generator's parameters beside those every protogen plugin has (paths, module, M).
// The zero value is the default. Not safe for concurrent use while Set is called.
type Options struct {
	// OwnPackage puts the code into a package of its own, in a folder of its own below the
	// messages' folder. It lets code of protoc-gen-go-grpc, which uses the same identifiers, stay
	// where it is.
	OwnPackage bool
}

// Set sets one parameter, as protogen.Options.ParamFunc hands them over. The only one is "package"
// with the values "message" (the default) and "own".
func (o *Options) Set(name, value string) error {
	if name != "package" {
		return fmt.Errorf("unknown parameter %q: known are package, paths, module and M<file>", name)
	}
	switch value {
	case "message":
		o.OwnPackage = false
	case "own":
		o.OwnPackage = true
	default:
		return fmt.Errorf("parameter package=%s: want message (beside the messages) or own (a package of its own)", value)
	}
	return nil
}

// Generate adds a Go file to gen for every file that is to be generated and has services, and tells
// gen what it supports. If Go names collide it adds nothing and returns a *NameError or several
// joined.
func Generate(gen *protogen.Plugin, opts Options) error {
	gen.SupportedFeatures = SupportedFeatures
	gen.SupportedEditionsMinimum = SupportedEditionsMinimum
	gen.SupportedEditionsMaximum = SupportedEditionsMaximum
	var files []*target
	for _, file := range gen.Files {
		if file.Generate && len(file.Services) > 0 {
			files = append(files, newTarget(file, opts))
		}
	}
	if err := checkNames(gen, files); err != nil {
		return err
	}
	documented := map[protogen.GoImportPath]bool{}
	for _, t := range files {
		w := &writer{
			GeneratedFile: gen.NewGeneratedFile(t.filename, t.importPath),
			target:        t,
			locals:        newLocals(t.file),
		}
		// The messages' package has its documentation elsewhere; one of its own has it here, once.
		w.writeFile(opts.OwnPackage && !documented[t.importPath])
		documented[t.importPath] = true
	}
	return nil
}

// target is where the services of one .proto file go. Immutable.
type target struct {
	file        *protogen.File
	filename    string
	importPath  protogen.GoImportPath
	packageName protogen.GoPackageName
}

func newTarget(file *protogen.File, opts Options) *target {
	t := &target{
		file:        file,
		filename:    file.GeneratedFilenamePrefix + "_naru.pb.go",
		importPath:  file.GoImportPath,
		packageName: file.GoPackageName,
	}
	if !opts.OwnPackage {
		return t
	}
	// Generated names of a keyword start with an underscore, which a suffix makes unnecessary.
	t.packageName = protogen.GoPackageName(strings.TrimPrefix(string(file.GoPackageName), "_")) + OwnPackageSuffix
	t.importPath = protogen.GoImportPath(path.Join(string(file.GoImportPath), string(t.packageName)))
	prefix := file.GeneratedFilenamePrefix
	t.filename = path.Join(path.Dir(prefix), string(t.packageName), path.Base(prefix)) + "_naru.pb.go"
	return t
}
