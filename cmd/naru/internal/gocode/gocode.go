// Package gocode reads the descriptors that generators for Go write into the code of messages, for
// modules that carry the code of their .proto files and not the files.
package gocode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxDescriptor bounds what a compressed descriptor may become: the largest in use are below 1 MiB.
const maxDescriptor = 32 << 20

var sourceLine = regexp.MustCompile(`(?m)^// source: (.+?)\r?$`)

// Source returns the import name of the .proto file that Go code says it was generated from, "" if
// it does not.
func Source(code []byte) string {
	head, _, _ := bytes.Cut(code, []byte("\npackage "))
	if m := sourceLine.FindSubmatch(head); m != nil {
		return string(m[1])
	}
	return ""
}

// File is what is known of a .proto file from its generated code.
type File struct {
	// Descriptor is the file's. It has no source information, which the code does not hold.
	Descriptor *descriptorpb.FileDescriptorProto
	// Package is the name of the Go package.
	Package string
}

// Parse reads generated code: of protoc-gen-go in all versions since 1.0, and of gogo/protobuf. The
// code is parsed, not run, and may be anything. An error says why there is no descriptor in it.
func Parse(code []byte) (*File, error) {
	tree, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range tree.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok || len(value.Names) != 1 || len(value.Values) != 1 || !isDescriptor(value.Names[0].Name) {
				continue
			}
			raw, err := constant(value.Values[0])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", value.Names[0].Name, err)
			}
			fd, err := decode(raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", value.Names[0].Name, err)
			}
			return &File{Descriptor: fd, Package: tree.Name.Name}, nil
		}
	}
	return nil, errors.New("no descriptor in the code")
}

// isDescriptor reports whether a variable or constant of this name holds a file's descriptor:
// file_shop_proto_rawDesc, or fileDescriptor_6ab1 and fileDescriptor0 of older versions.
func isDescriptor(name string) bool {
	return strings.HasPrefix(name, "file_") && strings.HasSuffix(name, "_rawDesc") ||
		strings.HasPrefix(name, "fileDescriptor")
}

// constant evaluates what generators write: string literals added up, lists of bytes, and
// conversions of these.
func constant(e ast.Expr) ([]byte, error) {
	var out []byte
	var add func(ast.Expr) error
	add = func(e ast.Expr) error {
		switch e := e.(type) {
		case *ast.BasicLit:
			text, err := strconv.Unquote(e.Value)
			if e.Kind != token.STRING || err != nil {
				return errors.New("not a string")
			}
			out = append(out, text...)
			return nil
		case *ast.ParenExpr:
			return add(e.X)
		case *ast.CallExpr:
			if len(e.Args) == 1 {
				return add(e.Args[0])
			}
		case *ast.BinaryExpr:
			// A chain of additions leans to the left, as deep as it is long: walked, not recursed
			// into.
			terms := []ast.Expr{}
			var left ast.Expr = e
			for b, ok := e, true; ok && b.Op == token.ADD; b, ok = left.(*ast.BinaryExpr) {
				terms = append(terms, b.Y)
				left = b.X
			}
			if len(terms) == 0 {
				return errors.New("not a constant")
			}
			terms = append(terms, left)
			for i := len(terms) - 1; i >= 0; i-- {
				if err := add(terms[i]); err != nil {
					return err
				}
			}
			return nil
		case *ast.CompositeLit:
			return addBytes(&out, e)
		}
		return errors.New("not a constant")
	}
	err := add(e)
	return out, err
}

func addBytes(out *[]byte, list *ast.CompositeLit) error {
	for _, item := range list.Elts {
		lit, ok := item.(*ast.BasicLit)
		if !ok {
			return errors.New("not a list of bytes")
		}
		b, err := strconv.ParseUint(lit.Value, 0, 8)
		if err != nil {
			return errors.New("not a list of bytes")
		}
		*out = append(*out, byte(b))
	}
	return nil
}

// decode reads a descriptor, compressed or not.
func decode(raw []byte) (*descriptorpb.FileDescriptorProto, error) {
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		raw, err = io.ReadAll(io.LimitReader(z, maxDescriptor+1))
		if err != nil {
			return nil, err
		}
		if len(raw) > maxDescriptor {
			return nil, fmt.Errorf("a descriptor of more than %d bytes", maxDescriptor)
		}
	}
	fd := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(raw, fd); err != nil {
		return nil, err
	}
	if fd.GetName() == "" {
		return nil, errors.New("a descriptor without a name")
	}
	return fd, nil
}
