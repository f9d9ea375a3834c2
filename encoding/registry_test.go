package encoding

import (
	"strings"
	"testing"
)

func TestRegistry(t *testing.T) {
	r, err := NewRegistry([]Codec{Proto(), JSON()}, []Compressor{Zstd(), Gzip()})
	if err != nil {
		t.Fatal(err)
	}
	for subtype, want := range map[string]string{"": "proto", "proto": "proto", "json": "json"} {
		if c := r.Codec(subtype); c == nil || c.Name() != want {
			t.Errorf("codec of %q = %v, want %s", subtype, c, want)
		}
	}
	if c := r.Codec("raw"); c != nil {
		t.Errorf("codec nobody added = %v", c)
	}
	if c := r.Compressor("gzip"); c == nil || c.Name() != "gzip" {
		t.Errorf("compressor = %v, want gzip", c)
	}
	for _, name := range []string{"", "identity", "br", "GZIP"} {
		if c := r.Compressor(name); c != nil {
			t.Errorf("compressor %q = %v, want none", name, c)
		}
	}
	if got := r.AcceptEncoding(); got != "zstd,gzip" {
		t.Errorf("accept = %q, want the order given", got)
	}
	empty, err := NewRegistry(nil, nil)
	if err != nil || empty.Codec("") != nil || empty.AcceptEncoding() != "" {
		t.Errorf("empty registry: %v, %v", empty, err)
	}
}

type named string

func (n named) Name() string                                  { return string(n) }
func (named) Compress(dst, _ []byte) ([]byte, error)          { return dst, nil }
func (named) Decompress(dst, _ []byte, _ int) ([]byte, error) { return dst, nil }

func TestRegistryNamesEveryMistake(t *testing.T) {
	_, err := NewRegistry([]Codec{Proto(), nil, Proto()}, []Compressor{named("identity"), named("a,b"), named(""), nil, named("GZ"), named("x"), named("x")})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"codec 1 is nil", `codec name "proto" is taken`, "identity", `"a,b": byte 0x2c`, "has no name", "compressor 3 is nil", `"GZ": byte 0x47`, `compressor name "x" is taken`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s in it", err, want)
		}
	}
}
