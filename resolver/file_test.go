package resolver

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backends")
	write := func(text string) {
		t.Helper()
		tmp := path + ".new"
		if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, path); err != nil {
			t.Fatal(err)
		}
	}
	f := &fileLookup{path: path}
	if _, err := f.lookup(context.Background()); err == nil {
		t.Errorf("a missing file is no error")
	}
	write("# backends\n10.0.0.1:1\n\n10.0.0.2:1,[2001:db8::2]:1 weight=3 # twice\nunix:/run/x hash=seven\n")
	st, err := f.lookup(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []Endpoint{
		{Addresses: []Address{{Addr: "10.0.0.1:1"}}},
		{Addresses: []Address{{Addr: "10.0.0.2:1"}, {Addr: "[2001:db8::2]:1"}}, Weight: 3},
		{Addresses: []Address{{Network: "unix", Addr: "/run/x"}}, HashKey: "seven"},
	}
	if d := cmp.Diff(want, st.Endpoints, cmp.AllowUnexported(Attributes{})); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
	again, err := f.lookup(context.Background())
	if err != nil || &again.Endpoints[0] != &st.Endpoints[0] {
		t.Errorf("a file that has not changed was read again (%v)", err)
	}
	write("10.0.0.9:1\n")
	if st, err = f.lookup(context.Background()); err != nil || len(st.Endpoints) != 1 || st.Endpoints[0].Addresses[0].Addr != "10.0.0.9:1" {
		t.Errorf("after a change: got %+v, %v", st.Endpoints, err)
	}
	for text, want := range map[string]string{
		"10.0.0.1:1\n10.0.0.2\n": `backends:2: "10.0.0.2" is neither host:port nor unix:path`,
		"a:1 weight=0":           `backends:1: weight "0"`,
		"a:1 w=1":                `backends:1: unknown word "w=1"`,
		":1":                     `backends:1: ":1"`,
		"a:1,":                   `backends:1: ""`,
	} {
		write(text)
		if _, err := f.lookup(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestFileTargets(t *testing.T) {
	reg := NewRegistry(File(FileOptions{}))
	target, b, err := reg.Parse("file:///etc/shop?authority=shop.example.com", "file")
	if err != nil || target.Endpoint != "/etc/shop" {
		t.Fatalf("got %+v, %v, want the path /etc/shop", target, err)
	}
	if got := b.(AuthorityBuilder).Authority(target); got != "shop.example.com" {
		t.Errorf("authority: got %q", got)
	}
	if got := b.(AuthorityBuilder).Authority(Target{}); got != "localhost" {
		t.Errorf("authority by default: got %q", got)
	}
	for _, in := range []string{"file://host/x", "file:"} {
		target, b, err := reg.Parse(in, "file")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Build(target, Options{}); err == nil {
			t.Errorf("%s was accepted", in)
		}
	}
}
