package gocode_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/gocode"
)

// TestParseGolden reads code as today's protoc-gen-go writes it.
func TestParseGolden(t *testing.T) {
	code, err := os.ReadFile("../../../../codegen/testdata/shop/shop.pb.go")
	if err != nil {
		t.Fatal(err)
	}
	if got := gocode.Source(code); got != "shop.proto" {
		t.Errorf("source %q, want shop.proto", got)
	}
	f, err := gocode.Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	if f.Descriptor.GetName() != "shop.proto" || f.Package != "shop" || len(f.Descriptor.Service) == 0 {
		t.Errorf("got %s of package %s with %d services", f.Descriptor.GetName(), f.Package, len(f.Descriptor.Service))
	}
}

// descriptor returns a small one, encoded.
func descriptor(t testing.TB) []byte {
	t.Helper()
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorProto{Name: proto.String("a/b.proto"), Package: proto.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func list(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		fmt.Fprintf(&b, "%#02x, ", c)
	}
	return b.String()
}

// TestParseForms reads what the versions of the generators have written over the years.
func TestParseForms(t *testing.T) {
	raw := descriptor(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(raw); err != nil || z.Close() != nil {
		t.Fatal("gzip failed")
	}
	for name, decl := range map[string]string{
		"bytes":            "var file_a_b_proto_rawDesc = []byte{" + list(raw) + "}",
		"string of bytes":  "var file_a_b_proto_rawDesc = string([]byte{" + list(raw) + "})",
		"constant":         fmt.Sprintf("const file_a_b_proto_rawDesc = \"\" +\n%q +\n%q", raw[:4], raw[4:]),
		"compressed":       "var fileDescriptor_0123 = []byte{" + list(zipped.Bytes()) + "}",
		"compressed, 2016": "var fileDescriptor0 = []byte{" + list(zipped.Bytes()) + "}",
	} {
		f, err := gocode.Parse([]byte("// source: a/b.proto\n\npackage a\n\nvar other = 1\n" + decl + "\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Descriptor.GetName() != "a/b.proto" || f.Package != "a" {
			t.Errorf("%s: got %v", name, f)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, code := range map[string]string{
		"no Go":            "syntax = \"proto3\";",
		"no descriptor":    "package a\n\nfunc f() {}\n",
		"computed":         "package a\n\nvar file_a_rawDesc = make([]byte, 2)\n",
		"no bytes":         "package a\n\nvar file_a_rawDesc = []byte{300}\n",
		"broken":           "package a\n\nconst file_a_rawDesc = \"\\xff\\xff\"\n",
		"without a name":   "package a\n\nconst file_a_rawDesc = \"\"\n",
		"broken gzip":      "package a\n\nconst fileDescriptor0 = \"\\x1f\\x8b\"\n",
		"no addition":      "package a\n\nconst file_a_rawDesc = \"a\" - \"b\"\n",
		"a value, no name": "package a\n\nvar file_a_rawDesc, b = 1, 2\n",
	} {
		if f, err := gocode.Parse([]byte(code)); err == nil {
			t.Errorf("%s: got %v, want an error", name, f)
		}
	}
}

// FuzzParse: whatever the code is, there is a descriptor with a name or an error.
func FuzzParse(f *testing.F) {
	raw := descriptor(f)
	f.Add([]byte("package a\n\nvar file_a_b_proto_rawDesc = []byte{" + list(raw) + "}\n"))
	f.Add([]byte(fmt.Sprintf("package a\n\nconst file_a_b_proto_rawDesc = \"\" +\n%q", raw)))
	f.Add([]byte("package a\n\nvar fileDescriptor0 = []byte{0x1f, 0x8b}\n"))
	f.Fuzz(func(t *testing.T, code []byte) {
		gocode.Source(code)
		if file, err := gocode.Parse(code); err == nil && file.Descriptor.GetName() == "" {
			t.Errorf("a descriptor without a name")
		}
	})
}
