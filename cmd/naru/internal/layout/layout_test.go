package layout_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
	"github.com/naru-rpc/naru/cmd/naru/internal/layout"
)

// find writes files and returns the groups for those below base that are .proto files. A text is
// what stands behind the syntax line; "dep:" in front marks files that are no files of the run.
func find(t *testing.T, base string, files map[string]string) ([]layout.Group, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o777); err != nil {
		t.Fatal(err)
	}
	var run []string
	for name, text := range files {
		name, dep := strings.CutPrefix(name, "dep:")
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".proto" {
			text = "syntax = \"proto3\";\n" + text
			if !dep {
				run = append(run, path)
			}
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(run)
	at := filepath.Join(dir, filepath.FromSlash(base))
	return layout.Find(layout.Options{
		Dir: at, Bases: []string{at}, Files: run, Modules: gomod.New(func(string) string { return "" }),
		Shown: func(path string) string { return path },
	}), dir
}

// names returns what the files of all groups are called, by path below dir, and all they import.
func names(groups []layout.Group, dir string) map[string]string {
	got := map[string]string{}
	for _, g := range groups {
		for name, path := range g.Paths {
			rel, _ := filepath.Rel(dir, path)
			got[filepath.ToSlash(rel)] = name
		}
	}
	return got
}

// TestNames has a row for each of the rules in the package's comment, and for each way an import is
// looked up.
func TestNames(t *testing.T) {
	for name, test := range map[string]struct {
		files, want map[string]string
	}{
		"an import's spelling is the name, whatever the package says": {
			map[string]string{
				"proto/common/v1/money.proto": "package common.v1;",
				"proto/shop/v1/cart.proto":    "package shop.v1; import \"proto/common/v1/money.proto\";",
			},
			map[string]string{
				"proto/common/v1/money.proto": "proto/common/v1/money.proto",
				"proto/shop/v1/cart.proto":    "proto/shop/v1/cart.proto",
			},
		},
		"a file of the same folder": {
			map[string]string{"shop/common.proto": "package shop;", "shop/shop.proto": "package shop; import \"common.proto\";"},
			map[string]string{"shop/common.proto": "common.proto", "shop/shop.proto": "shop.proto"},
		},
		"2: like the imported file beside it": {
			map[string]string{
				"p/a/x.proto": "package other;", "p/a/y.proto": "package another;",
				"p/b/z.proto": "package b; import \"a/x.proto\";",
			},
			map[string]string{"p/a/x.proto": "a/x.proto", "p/a/y.proto": "a/y.proto", "p/b/z.proto": "b/z.proto"},
		},
		"3: by a package of several parts": {
			map[string]string{"proto/shop/v1/cart.proto": "package shop.v1;"},
			map[string]string{"proto/shop/v1/cart.proto": "shop/v1/cart.proto"},
		},
		"4: the nearest import folder before a package of one part": {
			map[string]string{
				"ledger/rwset/rwset.proto": "package rwset;", "ledger/rwset/kv/kv.proto": "package kv;",
				"store/store.proto": "package store; import \"ledger/rwset/rwset.proto\";",
			},
			map[string]string{
				"ledger/rwset/rwset.proto": "ledger/rwset/rwset.proto", "ledger/rwset/kv/kv.proto": "ledger/rwset/kv/kv.proto",
				"store/store.proto": "store/store.proto",
			},
		},
		"5: by a package of one part": {
			map[string]string{"proto/shop/cart.proto": "package shop;"},
			map[string]string{"proto/shop/cart.proto": "shop/cart.proto"},
		},
		"6: from the folder of the command line": {
			map[string]string{"proto/cart.proto": "package shop;", "proto/v1/none.proto": ""},
			map[string]string{"proto/cart.proto": "proto/cart.proto", "proto/v1/none.proto": "proto/v1/none.proto"},
		},
		"the module's path in front": {
			map[string]string{
				"go.mod": "module example.com/shop/v2\n", "a/a.proto": "package a;",
				"b/b.proto": "package b; import \"example.com/shop/v2/a/a.proto\";",
			},
			map[string]string{"a/a.proto": "example.com/shop/v2/a/a.proto", "b/b.proto": "example.com/shop/v2/b/b.proto"},
		},
		"the end of the module's path in front, without its major version": {
			map[string]string{
				"go.mod": "module example.com/shop/v2\n", "a/a.proto": "package a;",
				"b/b.proto": "package b; import \"shop/a/a.proto\";",
			},
			map[string]string{"a/a.proto": "shop/a/a.proto", "b/b.proto": "shop/b/b.proto"},
		},
		"parts in front that are in no path, if the package says so": {
			map[string]string{
				"maps/x/v1/a.proto": "package maps.x.v1;",
				"maps/x/v1/b.proto": "package maps.x.v1; import \"google/maps/x/v1/a.proto\";",
			},
			map[string]string{"maps/x/v1/a.proto": "google/maps/x/v1/a.proto", "maps/x/v1/b.proto": "google/maps/x/v1/b.proto"},
		},
		"but not if it says something else": {
			map[string]string{
				"maps/x/v1/a.proto": "package another;",
				"maps/x/v1/b.proto": "package maps.x.v1; import \"google/maps/x/v1/a.proto\";",
			},
			map[string]string{"maps/x/v1/a.proto": "maps/x/v1/a.proto", "maps/x/v1/b.proto": "maps/x/v1/b.proto"},
		},
		"a file of another folder of the repository": {
			map[string]string{"dep:third_party/acme/t.proto": "package acme;", "proto/s.proto": "import \"acme/t.proto\";"},
			map[string]string{"third_party/acme/t.proto": "acme/t.proto", "proto/s.proto": "proto/s.proto"},
		},
		"of several the one with most folders in common": {
			map[string]string{
				"dep:x/third_party/acme/t.proto": "package acme;", "dep:y/third_party/acme/t.proto": "package acme; // y",
				"y/proto/s.proto": "import \"acme/t.proto\";",
			},
			map[string]string{"y/third_party/acme/t.proto": "acme/t.proto", "y/proto/s.proto": "y/proto/s.proto"},
		},
		"a module that is required": {
			map[string]string{
				"app/go.mod":         "module example.com/app\nrequire example.net/dep v1.0.0\nreplace example.net/dep => ../.dep\n",
				"app/a.proto":        "package a; import \"example.net/dep/d/d.proto\"; import \"e.proto\"; import \"g/g.proto\";",
				"dep:.dep/d/d.proto": "package d;", "dep:.dep/proto/e.proto": "package e;", "dep:.dep/deep/down/g/g.proto": "package g;",
			},
			map[string]string{
				"app/a.proto": "app/a.proto", ".dep/d/d.proto": "example.net/dep/d/d.proto", ".dep/proto/e.proto": "e.proto",
				".dep/deep/down/g/g.proto": "g/g.proto",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			groups, dir := find(t, ".", test.files)
			if diff := cmp.Diff(test.want, names(groups, dir)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGroups: files whose names start at different folders are compiled apart, unless they share
// files under different names, which the compiler has to see.
func TestGroups(t *testing.T) {
	apart, _ := find(t, ".", map[string]string{
		"x/p/a.proto": "package p;", "x/p/b.proto": "package p; import \"p/a.proto\";",
		"y/p/a.proto": "package p;", "y/p/b.proto": "package p; import \"p/a.proto\";",
	})
	if len(apart) != 2 || len(apart[0].Files) != 2 || len(apart[1].Files) != 2 {
		t.Errorf("%d groups, want two of two files: %+v", len(apart), apart)
	}
	shared, _ := find(t, ".", map[string]string{
		"proto/cash/money.proto": "package money;",
		"proto/a.proto":          "package shop; import \"cash/money.proto\";",
		"proto/b.proto":          "package shop; import \"proto/cash/money.proto\";",
	})
	if len(shared) != 1 || len(shared[0].Files) != 3 {
		t.Errorf("%d groups, want one of three files: %+v", len(shared), shared)
	}
}

// TestAliases: a neighbor may be imported by its base name, if all others use another name.
func TestAliases(t *testing.T) {
	groups, dir := find(t, ".", map[string]string{
		"go.mod": "module example.com/shop\n", "api/rpc.proto": "package api;",
		"api/raft.proto":  "package api; import \"rpc.proto\";",
		"lock/lock.proto": "package lock; import \"shop/api/rpc.proto\";",
	})
	if got := names(groups, dir)["api/rpc.proto"]; got != "shop/api/rpc.proto" {
		t.Errorf("the file is called %q, want the longer name", got)
	}
	for _, g := range groups {
		for imp, name := range g.Aliases {
			if filepath.Base(imp.From) == "raft.proto" && imp.Name == "rpc.proto" && name == "shop/api/rpc.proto" {
				return
			}
		}
	}
	t.Errorf("no alias in %+v", groups)
}

// TestChoices: one name that means two files for two importing files of a group.
func TestChoices(t *testing.T) {
	files := map[string]string{
		"a/one.proto": "package one; import \"acme/t.proto\"; import \"b/two.proto\";", "dep:a/third_party/acme/t.proto": "package acme;",
		"b/two.proto": "package two; import \"acme/t.proto\";", "dep:b/third_party/acme/t.proto": "package acme; // another",
	}
	groups, _ := find(t, ".", files)
	choices := 0
	for _, g := range groups {
		choices += len(g.Choices)
	}
	if choices != 1 {
		t.Errorf("%d choices, want one: %+v", choices, groups)
	}
	files["dep:b/third_party/acme/t.proto"] = files["dep:a/third_party/acme/t.proto"]
	groups, _ = find(t, ".", files)
	for _, g := range groups {
		if len(g.Choices) > 0 {
			t.Errorf("files with the same text are a choice: %+v", g.Choices)
		}
	}
}
