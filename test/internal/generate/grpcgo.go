package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	shopPackage = "github.com/naru-rpc/naru/examples/shop/ecommerce"
	shopFolder  = "internal/ecommercegrpc"

	benchPackage = here + "/bench/benchpb"
	benchFolder  = "bench/benchpb"
)

// generateShopForGRPCGo runs protoc-gen-go-grpc on the shop's services. Its code expects to lie
// beside the messages, where naru's code of the same names lies already, so it is moved to a
// package of its own.
func generateShopForGRPCGo() error {
	files := []protoreflect.FileDescriptor{ecommerce.File_ecommerce_product_info_proto, ecommerce.File_ecommerce_order_management_proto}
	messages := map[string]bool{}
	for _, f := range files {
		for i := range f.Messages().Len() {
			messages[string(f.Messages().Get(i).Name())] = true
		}
	}
	res, err := runGRPCGo(shopPackage, files...)
	if err != nil {
		return err
	}
	for _, f := range res.File {
		code, err := movePackage(f.GetContent(), path.Base(shopFolder), shopPackage, messages)
		if err != nil {
			return fmt.Errorf("%s: %w", f.GetName(), err)
		}
		if err := writeFile(filepath.Join(shopFolder, path.Base(f.GetName())), code); err != nil {
			return err
		}
	}
	return nil
}

// generateBenchForGRPCGo runs protoc-gen-go-grpc on the benchmarks' service, beside its messages.
func generateBenchForGRPCGo() error {
	res, err := runGRPCGo(benchPackage, benchpb.File_naru_bench_v1_echo_proto)
	if err != nil {
		return err
	}
	for _, f := range res.File {
		if err := writeFile(filepath.Join(benchFolder, path.Base(f.GetName())), []byte(f.GetContent())); err != nil {
			return err
		}
	}
	return nil
}

// runGRPCGo runs protoc-gen-go-grpc on files whose messages are in the Go package pkg.
func runGRPCGo(pkg string, files ...protoreflect.FileDescriptor) (*pluginpb.CodeGeneratorResponse, error) {
	parameters := []string{"require_unimplemented_servers=false"}
	req := &pluginpb.CodeGeneratorRequest{}
	seen := map[string]bool{}
	for _, f := range files {
		req.FileToGenerate = append(req.FileToGenerate, f.Path())
		parameters = append(parameters, "M"+f.Path()+"="+pkg)
		addFile(req, seen, f)
	}
	req.Parameter = new(strings.Join(parameters, ","))
	return runPlugin("google.golang.org/grpc/cmd/protoc-gen-go-grpc", req)
}

func writeFile(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}

// runPlugin builds and runs a protoc plugin pinned in test/tools.
func runPlugin(pkg string, req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	in, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "run", pkg)
	cmd.Dir = "tools"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", pkg, err)
	}
	res := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out, res); err != nil {
		return nil, fmt.Errorf("answer of %s: %w", pkg, err)
	}
	if res.Error != nil {
		return nil, fmt.Errorf("%s: %s", pkg, *res.Error)
	}
	return res, nil
}

// movePackage turns Go code of package from into code of package name that imports from for the
// types in moved.
func movePackage(code, name, from string, moved map[string]bool) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", code, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	file.Name.Name = name
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			return false // x.Order is another package's
		case *ast.Ident:
			if moved[n.Name] {
				n.Name = path.Base(from) + "." + n.Name
			}
		}
		return true
	})
	for _, d := range file.Decls {
		if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.IMPORT {
			d.Specs = append(d.Specs, &ast.ImportSpec{
				Path: &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(from)},
			})
			break
		}
	}
	var out bytes.Buffer
	if err := format.Node(&out, fset, file); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
