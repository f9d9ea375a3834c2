// Package schema finds the types of a server's methods for the verbs that need them: by the
// server's reflection, in descriptor sets, or in .proto files.
package schema

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/endpoint"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
	"github.com/naru-rpc/naru/dynamic"
)

// Flags is where to find the schema, as the command line says it. Files come first, then the
// server.
type Flags struct {
	Sets      []string // FileDescriptorSet files
	Protos    []string // .proto files and folders
	ProtoPath []string // folders for imports
	Reflect   bool     // ask the server beside files
	Headers   []string // metadata for reflection alone
}

// Register adds the flags to a verb's.
func (f *Flags) Register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.Protos, "proto", nil, "take the schema from this .proto `file` or folder instead of the server's reflection; repeat for more")
	fs.StringArrayVarP(&f.ProtoPath, "proto-path", "I", nil, "look up imports below this `folder`; repeat for more (default: the folders given with --proto, and the current one)")
	fs.StringArrayVar(&f.Sets, "descriptor-set", nil, "take the schema from this FileDescriptorSet `file` instead of the server's reflection; repeat for more")
}

// RegisterServer adds the flags for what the schema of a server needs.
func (f *Flags) RegisterServer(fs *pflag.FlagSet) {
	fs.BoolVar(&f.Reflect, "use-reflection", false, "with --proto or --descriptor-set: ask the server for what the files do not have")
	fs.StringArrayVar(&f.Headers, "reflect-header", nil, "send metadata to the reflection service alone, as `\"name: value\"`; repeat for more")
}

// Given reports whether the schema comes from files.
func (f *Flags) Given() bool { return len(f.Sets)+len(f.Protos) > 0 }

// Open returns the source: the files that were given, or else the server behind cc.
func (f *Flags) Open(env *cli.Env, cc naru.ClientConnInterface) (dynamic.Source, error) {
	if len(f.ProtoPath) > 0 && len(f.Protos) == 0 {
		return nil, cli.Usagef("--proto-path is for the imports of --proto")
	}
	var sources []dynamic.Source
	for _, name := range f.Sets {
		raw, err := os.ReadFile(env.Path(name))
		if err != nil {
			return nil, fmt.Errorf("--descriptor-set: %w", err)
		}
		s, err := dynamic.DescriptorSet(raw)
		if err != nil {
			return nil, fmt.Errorf("--descriptor-set %s: %w", name, err)
		}
		sources = append(sources, s)
	}
	if len(f.Protos) > 0 {
		s, err := f.compile(env)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	if len(sources) == 0 {
		if cc == nil {
			return nil, cli.Usagef("no server and no schema: give host:port, --proto or --descriptor-set")
		}
		return f.reflection(env, cc)
	}
	if f.Reflect && cc != nil {
		server, err := f.reflection(env, cc)
		if err != nil {
			return nil, err
		}
		sources = append(sources, server)
	}
	return dynamic.Join(append(sources, linkedTypes{dynamic.Linked()})...), nil
}

// reflection returns the server's source.
func (f *Flags) reflection(env *cli.Env, cc naru.ClientConnInterface) (dynamic.Source, error) {
	kv, err := endpoint.Metadata(env, "--reflect-header", f.Headers)
	if err != nil {
		return nil, err
	}
	if len(kv) == 0 {
		return dynamic.Reflection(cc), nil
	}
	return dynamic.Reflection(cc, naru.WithMetadata(kv...)), nil
}

// linkedTypes are the types that the command is linked with, such as google.rpc's details. Its
// services are not the schema's.
type linkedTypes struct{ dynamic.Source }

func (linkedTypes) Services(context.Context) ([]string, error) { return nil, nil }

// compile compiles the .proto files. Their mistakes are printed as "naru gen" prints them.
func (f *Flags) compile(env *cli.Env) (dynamic.Source, error) {
	var roots []protosrc.Root
	addRoot := func(shown string) { roots = append(roots, protosrc.Root{Dir: env.Path(shown), Shown: shown}) }
	for _, dir := range f.ProtoPath {
		addRoot(dir)
	}
	var files []string
	for _, p := range f.Protos {
		info, err := os.Stat(env.Path(p))
		if err != nil {
			return nil, fmt.Errorf("--proto: %w", err)
		}
		if !info.IsDir() {
			files = append(files, env.Path(p))
			continue
		}
		if len(f.ProtoPath) == 0 {
			addRoot(p)
		}
		found, err := protoFiles(env.Path(p))
		if err != nil {
			return nil, fmt.Errorf("--proto %s: %w", p, err)
		}
		files = append(files, found...)
	}
	if len(f.ProtoPath) == 0 {
		addRoot(".")
		for _, file := range files {
			roots = append(roots, protosrc.Root{Dir: filepath.Dir(file), Shown: filepath.Dir(file)})
		}
	}
	var names []string
	for _, file := range files {
		name, hidden := protosrc.Name(roots, file)
		if name == "" {
			return nil, cli.Usagef("%s is in none of the import folders%s", file, hiddenBy(hidden))
		}
		names = append(names, name)
	}
	res := protosrc.Compile(protosrc.Sources{Roots: roots}, names)
	if errors, _ := res.Findings.Count(); errors > 0 {
		if err := diag.Print(env.Stderr, cli.NewStyle(env.Color), res.Findings.All()); err != nil {
			return nil, err
		}
		return nil, cli.Reported(cli.ExitFailed)
	}
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: res.Files})
	if err != nil {
		return nil, err
	}
	return dynamic.DescriptorSet(raw)
}

func hiddenBy(file string) string {
	if file == "" {
		return ""
	}
	return ": " + file + " comes before it"
}

func protoFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != dir && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ".proto") {
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no .proto files there")
	}
	return files, err
}

// Connect opens the schema of a verb whose arguments begin with host:port, which may be left out
// when the schema comes from files. It returns the arguments after it. The caller calls closer at
// the end.
func Connect(ctx context.Context, env *cli.Env, e *endpoint.Flags, f *Flags, args []string) (src dynamic.Source, rest []string, closer func(), err error) {
	if f.Given() && !f.Reflect {
		src, err = f.Open(env, nil)
		if len(args) > 0 && isTarget(args[0]) {
			args = args[1:]
		}
		return src, args, func() {}, err
	}
	if len(args) == 0 {
		return nil, nil, nil, cli.Usagef("which server? Give host:port, or --proto or --descriptor-set")
	}
	client, err := e.Dial(ctx, env, args[0])
	if err != nil {
		return nil, nil, nil, err
	}
	src, err = f.Open(env, client)
	return src, args[1:], func() { client.Close() }, err
}

// isTarget reports whether an argument is a server's address rather than a name of the schema.
func isTarget(arg string) bool { return strings.Contains(arg, ":") }
