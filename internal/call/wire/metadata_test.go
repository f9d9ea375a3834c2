package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/metadata"
)

func TestAppendDecoded(t *testing.T) {
	for _, tt := range []struct {
		key, wire string
		want      []string
		err       string
	}{
		{"key", "value", []string{"value"}, ""},
		{"key", " \tvalue ", []string{"value"}, ""},
		{"key", "a,b, c", []string{"a,b, c"}, ""},
		{"key", "", []string{""}, ""},
		{"key", "caf\u00e9", nil, ""},
		{"key", "a\tb", nil, ""},
		{"b-bin", "AAEC", []string{"\x00\x01\x02"}, ""},
		{"b-bin", "AAE=", []string{"\x00\x01"}, ""},
		{"b-bin", "AAE", []string{"\x00\x01"}, ""},
		{"b-bin", "AA==", []string{"\x00"}, ""},
		{"b-bin", "AA", []string{"\x00"}, ""},
		{"b-bin", "", []string{""}, ""},
		{"b-bin", "AA, AAE= ,AAEC,,", []string{"\x00", "\x00\x01", "\x00\x01\x02", "", ""}, ""},
		{"b-bin", "A", nil, "value 1"},
		{"b-bin", "AA,?", nil, "value 2"},
		{"b-bin", "AA=A", nil, "value 1"},
		{"b-bin", "AAA==", nil, "value 1"},
		{"b-bin", "A-_A", nil, "value 1"}, // the URL alphabet is another one
	} {
		got, err := AppendDecoded([]string{"before"}, tt.key, tt.wire)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), tt.key) {
				t.Errorf("%s: %q: error %v, want one with key and %q", tt.key, tt.wire, err, tt.err)
			}
		} else if err != nil {
			t.Errorf("%s: %q: %v", tt.key, tt.wire, err)
		}
		if diff := cmp.Diff(append([]string{"before"}, tt.want...), got); diff != "" {
			t.Errorf("%s: %q (-want +got):\n%s", tt.key, tt.wire, diff)
		}
	}
}

func TestAddMetadata(t *testing.T) {
	md := metadata.MD{}
	for _, f := range [][2]string{
		{"k", "1"}, {"k", "2"}, {"b-bin", "AA,AQ"}, {"b-bin", "Ag"}, {"bad", "\x80"},
		{"user-agent", "x/1"}, {":authority", "shop"}, {":path", "/a/b"}, {"grpc-timeout", "1S"}, {"content-type", "application/grpc"}, {"te", "trailers"},
		{"grpc-unheard-of", "shown all the same"},
	} {
		if err := AddMetadata(md, f[0], f[1]); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
	want := map[string][]string{
		"k": {"1", "2"}, "b-bin": {"\x00", "\x01", "\x02"}, "user-agent": {"x/1"}, ":authority": {"shop"},
		"grpc-unheard-of": {"shown all the same"},
	}
	if diff := cmp.Diff(want, map[string][]string(md)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := AddMetadata(md, "b-bin", "!"); err == nil || len(md["b-bin"]) != 3 {
		t.Errorf("broken base64: %v and %v, want an error and no change", err, md)
	}
}

func TestEachMetadata(t *testing.T) {
	var got []string
	EachMetadata(metadata.MD{"K": {"v", "w"}, "b-bin": {"\x00\xff"}, "user-agent": {"x"}, ":authority": {"y"}}, func(name, value string) {
		got = append(got, name+"="+value)
	})
	slices.Sort(got)
	if diff := cmp.Diff([]string{"b-bin=AP8", "k=v", "k=w"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEcho holds the specification's demand that a program can send on what it received.
func TestEcho(t *testing.T) {
	md := metadata.MD{}
	for _, f := range [][2]string{{"a", "x"}, {"bad", "\x01\xff"}, {"b-bin", "////"}, {":authority", "s"}, {"user-agent", "u"}} {
		if err := AddMetadata(md, f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := md.Validate(); err != nil {
		t.Errorf("what was received must not be sent on: %v", err)
	}
}

func FuzzAppendDecoded(f *testing.F) {
	for _, s := range []string{"", "AA", "AA==", "AAEC", "AA,AAE=", ",,", "A", "=", "AA=\n", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		values, err := AppendDecoded(nil, "k-bin", wire)
		if err != nil && len(values) > 0 {
			t.Fatalf("%q: both %q and %v", wire, values, err)
		}
		for _, v := range values {
			back, err := AppendDecoded(nil, "k-bin", EncodeValue("k-bin", v))
			if err != nil || len(back) != 1 || back[0] != v {
				t.Fatalf("%q: %q comes back as %q, %v", wire, v, back, err)
			}
		}
		md := metadata.MD{}
		if err := AddMetadata(md, "k", wire); err != nil || md.Validate() != nil {
			t.Fatalf("%q: %v, then %v: an ASCII value must neither fail nor be impossible to echo", wire, err, md.Validate())
		}
	})
}
