// Command protoc-gen-naru is a protoc plugin that writes naru services. It runs under protoc and
// buf:
//
//	protoc --go_out=. --go_opt=paths=source_relative --naru_out=. --naru_opt=paths=source_relative shop.proto
//
// Parameters, beside paths, module and M<file>=<package> of every Go plugin:
//
//	package=message  beside the messages (the default)
//	package=own      in a package of its own, <name>naru, in a folder of the same name below
//
// "naru gen" does the same work with no protoc installed.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"google.golang.org/protobuf/compiler/protogen"

	"github.com/naru-rpc/naru/codegen"
)

func main() {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case "--version", "-version":
			fmt.Println("protoc-gen-naru", version())
			return
		case "--help", "-help", "-h":
			fmt.Println(help)
			return
		}
	}
	var opts codegen.Options
	protogen.Options{ParamFunc: opts.Set}.Run(func(gen *protogen.Plugin) error {
		return codegen.Generate(gen, opts)
	})
}

const help = `protoc-gen-naru writes naru services. protoc and buf run it:

  protoc --go_out=. --naru_out=. --naru_opt=<parameter>,... shop.proto

Parameters:
  paths=source_relative  write at the .proto file's path (paths=import: at the Go package's, the default)
  module=<prefix>        take a prefix off the Go package's path
  M<file>=<package>      Go package of a .proto file
  package=own            services in a package of their own (package=message: beside the messages, the default)

"naru gen" does the same work with no protoc installed.`

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
