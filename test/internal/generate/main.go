// Command generate writes the generated code of the test module. It is run in the module's folder,
// by "go generate ./...":
//
//   - naru's services for messages that other projects publish as Go packages without their .proto
//     files: grpc.testing and the ORCA service. The descriptors linked into this program stand in
//     for the files.
//   - messages and services of the connectrpc conformance suite, from the suite's .proto files.
//   - grpc-go's services for the shop, whose messages and naru services lie in examples, and for
//     the benchmarks.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	orca "github.com/cncf/xds/go/xds/service/orca/v3"
	"github.com/naru-rpc/naru/codegen"
	grpctesting "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/pluginpb"
)

// A source is a file to generate the services of, and the folder for the result.
type source struct {
	file protoreflect.FileDescriptor
	dir  string
}

var sources = []source{
	{grpctesting.File_grpc_testing_test_proto, "internal/grpctestingnaru"},
	{orca.File_xds_service_orca_v3_orca_proto, "internal/orcanaru"},
}

// goPackages says where the messages of files are that do not say it themselves.
var goPackages = []string{
	"Mgrpc/testing/empty.proto=google.golang.org/grpc/interop/grpc_testing",
	"Mgrpc/testing/messages.proto=google.golang.org/grpc/interop/grpc_testing",
	"Mgrpc/testing/test.proto=google.golang.org/grpc/interop/grpc_testing",
}

func main() {
	if err := generateAll(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generateAll() error {
	for _, s := range sources {
		if err := generate(s); err != nil {
			return err
		}
	}
	if err := generateConformance(); err != nil {
		return err
	}
	if err := generateShopForGRPCGo(); err != nil {
		return err
	}
	return generateBenchForGRPCGo()
}

func generate(s source) error {
	parameters := strings.Join(goPackages, ",")
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{s.file.Path()}, Parameter: &parameters}
	addFile(req, map[string]bool{}, s.file)
	plugin, err := protogen.Options{}.New(req)
	if err != nil {
		return err
	}
	if err := codegen.Generate(plugin, codegen.Options{OwnPackage: true}); err != nil {
		return err
	}
	res := plugin.Response()
	if res.Error != nil {
		return fmt.Errorf("%s: %s", s.file.Path(), *res.Error)
	}
	for _, f := range res.File {
		if err := writeFile(filepath.Join(s.dir, filepath.Base(f.GetName())), []byte(f.GetContent())); err != nil {
			return err
		}
	}
	return nil
}

// addFile adds f and what it imports, imports first, as protoc hands files to plugins.
func addFile(req *pluginpb.CodeGeneratorRequest, seen map[string]bool, f protoreflect.FileDescriptor) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		addFile(req, seen, f.Imports().Get(i).FileDescriptor)
	}
	req.ProtoFile = append(req.ProtoFile, protodesc.ToFileDescriptorProto(f))
}
