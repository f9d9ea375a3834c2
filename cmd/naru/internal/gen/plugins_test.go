//go:build plugins

package gen_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
)

// These tests need protoc and buf in PATH; scripts/plugins provides and runs them.

const (
	golden       = "../../../../codegen/testdata"
	goldenImport = "github.com/naru-rpc/naru/codegen/testdata"
)

// plugins builds both Go plugins and returns an environment whose PATH starts with them.
func plugins(t *testing.T) []string {
	t.Helper()
	bin := t.TempDir()
	run(t, ".", os.Environ(), "go", "build", "-o", bin+string(filepath.Separator),
		"github.com/naru-rpc/naru/cmd/protoc-gen-naru", "google.golang.org/protobuf/cmd/protoc-gen-go")
	return append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// run runs a program that has to succeed.
func run(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	if out, err := command(t, dir, env, name, args...); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func command(t *testing.T, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	// exec.Command looks in this process's PATH, not in env's.
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			t.Setenv("PATH", path)
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// compilerLine is the line of a .pb.go file that names the compiler's version.
var compilerLine = regexp.MustCompile(`(?m)^// \tprotoc .*$`)

// compare compares generated files with the golden ones.
func compare(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		want, err := os.ReadFile(filepath.Join(golden, f))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		want, got = compilerLine.ReplaceAll(want, nil), compilerLine.ReplaceAll(got, nil)
		if !bytes.Equal(want, got) {
			t.Errorf("%s: naru gen and the plugin differ (-naru gen +plugin):\n%s", f, cmp.Diff(string(want), string(got)))
		}
	}
}

func TestUnderProtoc(t *testing.T) {
	env, out := plugins(t), t.TempDir()
	run(t, golden, env, "protoc", "-I.", "--go_out="+out, "--go_opt=module="+goldenImport,
		"--naru_out="+out, "--naru_opt=module="+goldenImport, "shop.proto", "names.proto", "in.proto", "options.proto")
	compare(t, out, "shop/shop.pb.go", "shop/shop_naru.pb.go", "names/names.pb.go", "names/names_naru.pb.go",
		"in/in.pb.go", "options/options.pb.go", "options/options_naru.pb.go")
	run(t, golden, env, "protoc", "-I.", "--naru_out="+out, "--naru_opt=module="+goldenImport+",package=own", "shop.proto")
	compare(t, out, "shop/shopnaru/shop_naru.pb.go")
}

func TestProtocShowsErrors(t *testing.T) {
	env, dir := plugins(t), t.TempDir()
	text := "syntax = \"proto3\";\noption go_package = \"example.com/p\";\nmessage M {}\nservice S {\n  rpc add(M) returns (M);\n  rpc Add(M) returns (M);\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "s.proto"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := command(t, dir, env, "protoc", "-I.", "--naru_out=.", "s.proto")
	want := "--naru_out: s.proto:6:7: method S.Add needs the Go name Add, which method S.add at s.proto:5:7 has already\n"
	if err == nil || got != want {
		t.Errorf("got %v and\n%swant an error and\n%s", err, got, want)
	}
}

func TestUnderBuf(t *testing.T) {
	env, dir := plugins(t), t.TempDir()
	protos, err := filepath.Glob(golden + "/*.proto")
	if err != nil || len(protos) == 0 {
		t.Fatalf("no .proto files: %v", err)
	}
	for _, p := range protos {
		data, err := os.ReadFile(p)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(p)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	config := `version: v2
plugins:
  - local: protoc-gen-go
    out: .
    opt: module=` + goldenImport + `
  - local: protoc-gen-naru
    out: .
    opt: module=` + goldenImport + `
  - local: protoc-gen-naru
    out: own
    opt: [module=` + goldenImport + `, package=own]
`
	if err := os.WriteFile(filepath.Join(dir, "buf.gen.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, append(env, "HOME="+t.TempDir()), "buf", "generate")
	compare(t, dir, "shop/shop.pb.go", "shop/shop_naru.pb.go", "names/names_naru.pb.go", "options/options_naru.pb.go",
		"edition/edition.pb.go", "edition/edition_naru.pb.go")
	compare(t, filepath.Join(dir, "own"), "shop/shopnaru/shop_naru.pb.go")
}

// TestDescriptorsUnderProtoc compares the descriptors of whatever protoc is installed.
func TestDescriptorsUnderProtoc(t *testing.T) {
	for _, tree := range []string{golden, "../protosrc/testdata/protoc", filepath.Join(conformanceModule(t), "proto")} {
		t.Run(filepath.Base(tree), func(t *testing.T) { compareDescriptors(t, tree) })
	}
}

// conformanceModule returns the folder of the conformance suite's module, in the version that the
// test module's tools pin.
func conformanceModule(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "connectrpc.com/conformance")
	cmd.Dir, cmd.Env = "../../../../test/tools", append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the conformance suite's module: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil || module.Dir == "" {
		t.Fatalf("the conformance suite's module: %v in %s", err, out)
	}
	return module.Dir
}

func compareDescriptors(t *testing.T, tree string) {
	abs, err := filepath.Abs(tree)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	err = filepath.WalkDir(abs, func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".proto" && filepath.Base(path) != "edition.proto" { // unknown to older releases
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	out := t.TempDir()
	run(t, abs, os.Environ(), "protoc", append([]string{"-I" + abs, "--include_imports", "-o", filepath.Join(out, "protoc.binpb")}, files...)...)
	// A module around the output, as not all files have a go_package.
	if err := os.WriteFile(filepath.Join(out, "go.mod"), []byte("module example.com/out\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	environment := &cli.Env{Stdout: &stderr, Stderr: &stderr, Dir: out, Getenv: os.Getenv}
	args := append([]string{"gen", "-I", abs, "--descriptor-set", "naru.binpb", "--out", "gen"}, files...)
	if code := root.Main(t.Context(), environment, args); code != 0 {
		t.Fatalf("naru gen: exit code %d\n%s", code, stderr.String())
	}
	want, got := descriptors(t, filepath.Join(out, "protoc.binpb")), descriptors(t, filepath.Join(out, "naru.binpb"))
	for name, f := range want {
		if strings.HasPrefix(name, "google/protobuf/") {
			continue // each brings its own
		}
		if diff := cmp.Diff(f, got[name], protocmp.Transform()); diff != "" {
			t.Errorf("%s (-protoc +naru gen):\n%s", name, diff)
		}
	}
}

// descriptors reads a set, with custom options decoded by its own declarations.
func descriptors(t *testing.T, path string) map[string]*descriptorpb.FileDescriptorProto {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, set := &descriptorpb.FileDescriptorSet{}, &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, raw); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := (proto.UnmarshalOptions{Resolver: dynamicpb.NewTypes(files)}).Unmarshal(data, set); err != nil {
		t.Fatal(err)
	}
	byName := map[string]*descriptorpb.FileDescriptorProto{}
	for _, f := range set.File {
		byName[f.GetName()] = f
	}
	return byName
}
