package codegen_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/naru-rpc/naru/codegen"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	testdata       = "testdata"
	testdataImport = "github.com/naru-rpc/naru/codegen/testdata"
)

// run generates as a plugin would, from a set of descriptors below testdata, and returns files by
// path.
func run(t *testing.T, set, parameter string, files ...string) (map[string]string, error) {
	t.Helper()
	return generate(t, parameter, readSet(t, set), files...)
}

func readSet(t *testing.T, name string) []*descriptorpb.FileDescriptorProto {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, set); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return set.File
}

func generate(t *testing.T, parameter string, protos []*descriptorpb.FileDescriptorProto, files ...string) (map[string]string, error) {
	t.Helper()
	var opts codegen.Options
	gen, err := protogen.Options{ParamFunc: opts.Set}.New(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: files, Parameter: &parameter, ProtoFile: protos,
	})
	if err != nil {
		return nil, err
	}
	if err := codegen.Generate(gen, opts); err != nil {
		return nil, err
	}
	res := gen.Response()
	if res.Error != nil {
		t.Fatalf("the generated code does not parse: %s", res.GetError())
	}
	if got, want := res.GetSupportedFeatures(), codegen.SupportedFeatures; got != want {
		t.Errorf("supported features: got %b, want %b: protoc refuses proto3 optional and editions without", got, want)
	}
	out := map[string]string{}
	for _, f := range res.File {
		out[f.GetName()] = f.GetContent()
	}
	return out, nil
}

// TestGolden compares with the code that is compiled and called by the other tests.
func TestGolden(t *testing.T) {
	for _, tc := range []struct{ name, set, parameter, file, golden string }{
		{"all kinds of calls", "protoc.binpb", "", "shop.proto", "shop/shop_naru.pb.go"},
		{"own package", "protoc.binpb", ",package=own", "shop.proto", "shop/shopnaru/shop_naru.pb.go"},
		{"names", "protoc.binpb", "", "names.proto", "names/names_naru.pb.go"},
		{"options", "protoc.binpb", ",package=message", "options.proto", "options/options_naru.pb.go"},
		{"editions", "edition.binpb", "", "edition.proto", "edition/edition_naru.pb.go"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := run(t, tc.set, "module="+testdataImport+tc.parameter, tc.file)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := out[tc.golden]
			if len(out) != 1 || !ok {
				t.Fatalf("got files %v, want only %s", out, tc.golden)
			}
			path := filepath.Join(testdata, filepath.FromSlash(tc.golden))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got), -update writes it:\n%s", tc.golden, diff)
			}
		})
	}
}

// TestGeneratedTyped holds the promise that generated code has no untyped value anywhere.
func TestGeneratedTyped(t *testing.T) {
	out, err := run(t, "protoc.binpb", "", "shop.proto", "names.proto", "options.proto")
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 3 {
		t.Fatalf("got %d files, want 3", len(out))
	}
	for name, content := range out {
		for i, line := range strings.Split(content, "\n") {
			code, _, _ := strings.Cut(line, "//")
			for _, word := range strings.FieldsFunc(code, func(r rune) bool { return !isLetter(r) }) {
				if word == "any" || strings.Contains(code, "interface{}") {
					t.Errorf("%s:%d: untyped value: %s", name, i+1, line)
				}
			}
		}
	}
}

func isLetter(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func TestNoServicesNoFile(t *testing.T) {
	out, err := run(t, "edition.binpb", "", "in.proto")
	if err != nil || len(out) != 0 {
		t.Errorf("got %v, %v; want nothing: the file has no services", out, err)
	}
}

func TestPathsSourceRelative(t *testing.T) {
	for parameter, want := range map[string]string{
		"paths=source_relative":             "shop_naru.pb.go",
		"paths=source_relative,package=own": "shopnaru/shop_naru.pb.go",
		"":                                  testdataImport + "/shop/shop_naru.pb.go",
		"Mshop.proto=example.com/other/v2;": "example.com/other/v2/shop_naru.pb.go",
	} {
		out, err := run(t, "protoc.binpb", parameter, "shop.proto")
		if _, ok := out[want]; err != nil || !ok {
			t.Errorf("%q: got %v, %v; want %s", parameter, keys(out), err, want)
		}
	}
}

func TestParameterErrors(t *testing.T) {
	for parameter, want := range map[string]string{
		"package=mine": "parameter package=mine: want message (beside the messages) or own (a package of its own)",
		"packages=own": `unknown parameter "packages": known are package, paths, module and M<file>`,
	} {
		if _, err := run(t, "protoc.binpb", parameter, "shop.proto"); err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %s", parameter, err, want)
		}
	}
}

func keys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
