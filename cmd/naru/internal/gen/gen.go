// Package gen is the verb "naru gen": from .proto files to Go code in one command, with neither
// protoc nor plugins installed.
//
// It compiles the files in process (package protosrc), writes messages with protoc-gen-go's own
// generator and services with package codegen, so that its output is what the plugins give under
// protoc.
package gen

import (
	"path"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
)

// config is the command line of the verb.
type config struct {
	inputs    []string // files and folders; none: the current folder
	protoPath []string // import folders; none: found out from the files
	out       string
	paths     string
	module    string
	goPackage []string // file=import/path
	pkg       string
	only      string
	setOut    string
	setSource bool
	check     bool
	dryRun    bool
	quiet     bool
	clean     bool
	exclude   []string
	maxErrors int

	modules *gomod.Finder
}

const long = `Generate Go code from .proto files: messages (<file>.pb.go) and naru services (<file>_naru.pb.go).

With no arguments it takes every .proto file below the current folder. Folders named vendor, node_modules
and testdata, and those whose name starts with a dot or an underscore, are passed over unless named, as are
links to folders. Files whose go_package belongs to another Go module, such as copies in third_party, are
left out too: they are there to be imported. Name such a file to generate it.

Where the code goes, unless --out, --paths or --module say otherwise: to the folder of the Go package that
go_package names if it belongs to this Go module, else beside the .proto file. A file without go_package
gets that of its neighbors of the same package, if they agree, else the package of its folder.

Imports are looked up in the folders given with -I, as with protoc. With none given they are found out: in
the folders around the importing file, in the whole repository, by the path of the Go module, and in the
modules that go.mod requires, if they are in the module cache (go mod download): .proto files there, or
the Go code that was generated from them. What others import a file
by is its name; it must be the same everywhere. The files of google/protobuf are built in, and so are
google/rpc and the common ones of google/api.

Exit codes: 0 done or up to date; 1 errors in the files, a file that cannot be written, or with --check
code that is not up to date or left over; 2 an error in the command line.`

const example = `  naru gen                                  every .proto file from here on
  naru gen -I proto proto/shop              those below proto/shop, with imports as paths below proto
  naru gen --package own                    services in packages of their own, beside existing _grpc.pb.go
  naru gen --check                          in CI: fail if the code is not up to date or has leftovers
  naru gen --clean                          also remove code whose .proto file is gone
  naru gen --exclude 'internal/*_test'      all but some folders
  naru gen --descriptor-set shop.binpb      also write the descriptors, for tools`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:     "gen [file or folder ...]",
		Short:   "Generate Go code from .proto files",
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.inputs = args
			c.modules = gomod.New(env.Getenv)
			return run(cmd.Context(), env, c)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-")) // protoc's spelling
	})
	f.StringArrayVarP(&c.protoPath, "proto-path", "I", nil, "look up imports below this `folder`; repeat for more")
	f.StringVarP(&c.out, "out", "o", "", "write below this `folder`, at the file's path below its import folder")
	f.StringVar(&c.module, "module", "", "write to the Go package's path without this `prefix`")
	f.StringVar(&c.paths, "paths", "", "where below --out, as `mode`: source_relative (the file's path) or import (the Go package's path)")
	f.StringArrayVarP(&c.goPackage, "go-package", "M", nil, "Go package of a .proto file, as `file=import/path`; repeat for more")
	f.StringVar(&c.pkg, "package", "message", "`place` of the services: message (beside the messages) or own (a package of their own)")
	f.StringVar(&c.only, "only", "", "write only one `kind`: messages or services")
	f.StringVar(&c.setOut, "descriptor-set", "", "also write a FileDescriptorSet with all imports to this `file`")
	f.BoolVar(&c.setSource, "include-source-info", false, "keep comments and positions in the descriptor set")
	f.BoolVar(&c.check, "check", false, "write nothing; list what is not up to date and fail if anything is")
	f.BoolVar(&c.dryRun, "dry-run", false, "write nothing; list what would be written")
	f.BoolVar(&c.clean, "clean", false, "also remove generated files whose .proto file is gone")
	f.StringArrayVar(&c.exclude, "exclude", nil, "leave out files and folders that match this `pattern` (* and ? as in a shell); repeat for more")
	f.IntVar(&c.maxErrors, "max-errors", 20, "show at most this `number` of errors and warnings; 0 shows all")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "do not list what was written")
	return cmd
}

// validate finds mistakes in the command line that need no look at any file.
func (c *config) validate() error {
	for _, choice := range []struct{ flag, value, allowed string }{
		{"--paths", c.paths, "|source_relative|import|"},
		{"--package", c.pkg, "|message|own|"},
		{"--only", c.only, "|messages|services|"},
	} {
		if choice.value != "" && !strings.Contains(choice.allowed, "|"+choice.value+"|") {
			return cli.Usagef("%s=%s: want %s", choice.flag, choice.value,
				strings.ReplaceAll(strings.Trim(choice.allowed, "|"), "|", " or "))
		}
	}
	if c.paths == "source_relative" && c.module != "" {
		return cli.Usagef("--module and --paths=source_relative exclude each other: --module strips a prefix of the Go package's path, which source_relative does not use")
	}
	if c.check && c.dryRun {
		return cli.Usagef("--check and --dry-run exclude each other")
	}
	if c.check && c.clean {
		return cli.Usagef("--check and --clean exclude each other: --check writes and removes nothing")
	}
	if c.maxErrors < 0 {
		return cli.Usagef("--max-errors=%d: want a number from 0 up", c.maxErrors)
	}
	for _, pattern := range c.exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return cli.Usagef("--exclude %s: not a pattern: %v", pattern, err)
		}
	}
	for _, m := range c.goPackage {
		if file, path, ok := strings.Cut(m, "="); !ok || file == "" || path == "" {
			return cli.Usagef("--go-package %s: want file=import/path", m)
		}
	}
	return nil
}
