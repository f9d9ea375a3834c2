package gomod_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestOf(t *testing.T) {
	dir := tree(t, map[string]string{
		"go.mod":              "module example.com/shop/v2\n",
		"api/v1/a.proto":      "",
		"tools/go.mod":        "module example.com/shop/tools\n",
		"tools/gen/x.txt":     "",
		"broken/go.mod":       "modul example.com/broken\n",
		"nameless/go.mod":     "go 1.26\n",
		"nameless/sub/x.text": "",
	})
	f := gomod.New(env(nil))
	for folder, want := range map[string]gomod.Module{
		".":            {Dir: dir, Path: "example.com/shop/v2"},
		"api/v1":       {Dir: dir, Path: "example.com/shop/v2"},
		"not/there":    {Dir: dir, Path: "example.com/shop/v2"},
		"tools/gen":    {Dir: filepath.Join(dir, "tools"), Path: "example.com/shop/tools"},
		"broken":       {Dir: dir, Path: "example.com/shop/v2"},
		"nameless/sub": {Dir: dir, Path: "example.com/shop/v2"},
	} {
		for range 2 { // remembered the second time
			if got := f.Of(filepath.Join(dir, folder)); got != want {
				t.Errorf("Of(%s) = %v, want %v", folder, got, want)
			}
		}
	}
	if got := f.Of(filepath.Dir(dir)); got != (gomod.Module{}) {
		t.Errorf("a folder without a module: %v", got)
	}
}

func TestImportPathAndFolder(t *testing.T) {
	dir := filepath.FromSlash("/src/shop")
	m := gomod.Module{Dir: dir, Path: "example.com/shop"}
	for _, test := range []struct {
		importPath, folder string
		ok                 bool
	}{
		{"example.com/shop", ".", true},
		{"example.com/shop/api/v1", "api/v1", true},
		{"example.com/shopping", "", false},
		{"example.com", "", false},
	} {
		folder, ok := m.Folder(test.importPath)
		if ok != test.ok || ok && folder != filepath.Join(dir, test.folder) {
			t.Errorf("Folder(%s) = %s, %t", test.importPath, folder, ok)
		}
		if got := m.ImportPath(filepath.Join(dir, test.folder)); ok && got != test.importPath {
			t.Errorf("ImportPath(%s) = %s, want %s", test.folder, got, test.importPath)
		}
	}
	if _, ok := (gomod.Module{}).Folder("a"); ok || (gomod.Module{}).ImportPath(dir) != "" {
		t.Error("the zero Module holds a package")
	}
}

// TestDependencies: where required modules lie, in the order of how they are looked up.
func TestDependencies(t *testing.T) {
	dir := tree(t, map[string]string{
		"app/go.mod": `module example.com/app
require (
	example.net/indirect v1.0.0 // indirect
	example.net/cached v1.2.3
	example.net/replaced v1.0.0
	example.net/fork v1.0.0
	example.net/other v1.0.0
	example.net/vendored v1.0.0
	example.net/Upper v1.0.0-RC1
	example.net/absent v1.0.0
	example.net/worked v1.0.0
)
replace example.net/replaced => ../replacement
replace example.net/fork => example.net/forked v2.0.0
replace example.net/other v0.9.0 => ../replacement
`,
		"app/vendor/example.net/vendored/v.go":       "",
		"replacement/go.mod":                         "module example.net/replaced\n",
		"worked/go.mod":                              "module example.net/worked\n",
		"work/go.work":                               "",
		"go.work":                                    "go 1.26\nuse (\n\t./app\n\t./worked\n\t./gone\n)\n",
		"cache/example.net/cached@v1.2.3/a.go":       "",
		"cache/example.net/forked@v2.0.0/a.go":       "",
		"cache/example.net/other@v1.0.0/a.go":        "",
		"cache/example.net/indirect@v1.0.0/a.go":     "",
		"cache/example.net/!upper@v1.0.0-!r!c1/a.go": "",
	})
	f := gomod.New(env(map[string]string{"GOMODCACHE": filepath.Join(dir, "cache")}))
	got := map[string]string{}
	var order []string
	for _, d := range f.Dependencies(f.Of(filepath.Join(dir, "app"))) {
		order = append(order, d.Path)
		at := "-"
		if d.Dir != "" {
			at, _ = filepath.Rel(dir, d.Dir)
		}
		got[d.Path] = filepath.ToSlash(at)
		if d.Direct != (d.Path != "example.net/indirect") {
			t.Errorf("%s: direct %t", d.Path, d.Direct)
		}
	}
	want := map[string]string{
		"example.net/indirect": "cache/example.net/indirect@v1.0.0",
		"example.net/cached":   "cache/example.net/cached@v1.2.3",
		"example.net/replaced": "replacement",
		"example.net/fork":     "cache/example.net/forked@v2.0.0",
		"example.net/other":    "cache/example.net/other@v1.0.0",
		"example.net/vendored": "app/vendor/example.net/vendored",
		"example.net/Upper":    "cache/example.net/!upper@v1.0.0-!r!c1",
		"example.net/absent":   "-",
		"example.net/worked":   "worked",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
	if last := order[len(order)-1]; order[0] != "example.net/cached" || last != "example.net/indirect" {
		t.Errorf("order %v, want direct ones first", order)
	}

	for folder, path := range map[string]string{
		"cache/example.net/cached@v1.2.3/sub": "example.net/cached/sub",
		"app/vendor/example.net/vendored":     "example.net/vendored",
		"app/api":                             "example.com/app/api",
	} {
		if at := f.PackageIn(filepath.Join(dir, filepath.FromSlash(folder))); at != path {
			t.Errorf("PackageIn(%s) = %q, want %q", folder, at, path)
		}
	}
}

// TestModuleCache: the variables that say where the cache is.
func TestModuleCache(t *testing.T) {
	home := tree(t, map[string]string{
		"app/go.mod":                               "module example.com/app\nrequire example.net/dep v1.0.0\n",
		"go/pkg/mod/example.net/dep@v1.0.0/a.go":   "",
		"path/pkg/mod/example.net/dep@v1.0.0/a.go": "",
		"mod/example.net/dep@v1.0.0/a.go":          "",
	})
	at := func(p string) string { return filepath.Join(home, p) }
	for name, test := range map[string]struct {
		vars map[string]string
		want string
	}{
		"GOMODCACHE":  {map[string]string{"GOMODCACHE": at("mod"), "GOPATH": at("path"), "HOME": home}, at("mod")},
		"GOPATH":      {map[string]string{"GOPATH": at("path") + string(filepath.ListSeparator) + at("go"), "HOME": home}, at("path/pkg/mod")},
		"HOME":        {map[string]string{"HOME": home}, at("go/pkg/mod")},
		"USERPROFILE": {map[string]string{"USERPROFILE": home}, at("go/pkg/mod")},
		"none":        {nil, ""},
	} {
		f := gomod.New(env(test.vars))
		deps := f.Dependencies(f.Of(at("app")))
		want := test.want
		if want != "" {
			want = filepath.Join(want, "example.net", "dep@v1.0.0")
		}
		if len(deps) != 1 || deps[0].Dir != want {
			t.Errorf("%s: %+v, want %s", name, deps, want)
		}
	}
	if deps := gomod.New(env(nil)).Dependencies(gomod.Module{}); deps != nil {
		t.Errorf("no module: %v", deps)
	}
}
