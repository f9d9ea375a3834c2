package protosrc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestDescriptorsEqualProtoc compares, to the last comment, with what protoc makes of the same
// files. Of the source information only comments are compared: columns count characters here and
// bytes there, and the spans of default values changed between releases of protoc.
func TestDescriptorsEqualProtoc(t *testing.T) {
	dir := filepath.Join("testdata", "protoc")
	data, err := os.ReadFile(filepath.Join(dir, "protoc.binpb"))
	if err != nil {
		t.Fatal(err)
	}
	want := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, want); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(want)
	if err != nil {
		t.Fatal(err)
	}
	types := dynamicpb.NewTypes(files)
	res := Compile(Sources{Roots: []Root{{Dir: dir, Shown: "."}}}, []string{"proto3.proto", "proto2.proto"})
	if errs, _ := res.Findings.Count(); errs > 0 {
		t.Fatalf("the files have errors: %v", res.Findings.All()[0].Message)
	}
	got := map[string]*descriptorpb.FileDescriptorProto{}
	for _, f := range res.Files {
		got[f.GetName()] = normalize(t, types, f)
	}
	compared := 0
	for _, f := range want.File {
		if strings.HasPrefix(f.GetName(), "google/protobuf/") {
			if got[f.GetName()] == nil {
				t.Errorf("%s: no descriptor", f.GetName()) // its text depends on protoc's version
			}
			continue
		}
		compared++
		if diff := cmp.Diff(comments(f), comments(got[f.GetName()])); diff != "" {
			t.Errorf("%s: comments by path (-protoc +got):\n%s", f.GetName(), diff)
		}
		f.SourceCodeInfo, got[f.GetName()].SourceCodeInfo = nil, nil
		if diff := cmp.Diff(normalize(t, types, f), got[f.GetName()], protocmp.Transform()); diff != "" {
			t.Errorf("%s (-protoc +got):\n%s", f.GetName(), diff)
		}
	}
	if compared != 3 {
		t.Errorf("compared %d files, want 3", compared)
	}
}

// normalize decodes custom options by their declarations: protoc leaves repeated numbers unpacked
// in them, which is the same message in other bytes.
func normalize(t *testing.T, types *dynamicpb.Types, f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	t.Helper()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	out := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// comments lists the comments of a file by the path of what they belong to.
func comments(f *descriptorpb.FileDescriptorProto) map[string][]string {
	out := map[string][]string{}
	for _, l := range f.GetSourceCodeInfo().GetLocation() {
		all := append([]string{l.GetLeadingComments(), l.GetTrailingComments()}, l.GetLeadingDetachedComments()...)
		if len(all) > 2 || all[0] != "" || all[1] != "" {
			out[fmt.Sprint(l.GetPath())] = all
		}
	}
	return out
}
