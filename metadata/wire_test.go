package metadata

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidateKey(t *testing.T) {
	for _, key := range []string{"a", "x-request-id", "a.b_c-9", "trace-bin", "grpc-trace-bin", "grpc-tags-bin",
		"grpc-retry-pushback-ms", "grpc-previous-rpc-attempts", "grpcgateway-accept", "-bin", "te-x"} {
		if err := ValidateKey(key); err != nil {
			t.Errorf("%q: %v, want it allowed", key, err)
		}
	}
	for key, want := range map[string]string{
		"":                    "empty",
		"Key":                 "byte 0x4b at offset 0",
		"a b":                 "byte 0x20 at offset 1",
		"a:b":                 "byte 0x3a at offset 1",
		"key\r\n":             "byte 0x0d at offset 3",
		"k\x00":               "byte 0x00 at offset 1",
		"caf\u00e9":           "byte 0xc3 at offset 3",
		":path":               "byte 0x3a at offset 0",
		"grpc-timeout":        "set by the protocol",
		"grpc-status":         "set by the protocol",
		"content-type":        "set by the protocol",
		"te":                  "set by the protocol",
		"connection":          "set by the protocol",
		"transfer-encoding":   "set by the protocol",
		"grpc-future-feature": "reserved",
	} {
		err := ValidateKey(key)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", key, err, want)
		}
	}
}

func TestValidateValue(t *testing.T) {
	for _, v := range []string{"", " ", "printable ~ ASCII !", "a,b"} {
		if err := ValidateValue("key", v); err != nil {
			t.Errorf("%q: %v, want it allowed", v, err)
		}
	}
	for v, want := range map[string]string{
		"line\nend": "byte 0x0a at offset 4",
		"nul\x00":   "byte 0x00 at offset 3",
		"tab\t":     "byte 0x09 at offset 3",
		"\x7f":      "byte 0x7f at offset 0",
		"caf\u00e9": "byte 0xc3 at offset 3",
	} {
		err := ValidateValue("key", v)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"key"`) {
			t.Errorf("%q: %v, want an error with the key and %q", v, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "caf") {
			t.Errorf("the error repeats the value: %v", err)
		}
		if err := ValidateValue("key-bin", v); err != nil {
			t.Errorf("%q: %v, want anything allowed in binary values", v, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, md := range []MD{nil, {}, Pairs("a", "1"), {"Capital": {"1"}}, {":authority": {"x"}, "user-agent": {"x"}}} {
		if err := md.Validate(); err != nil {
			t.Errorf("%v: %v", md, err)
		}
	}
	for _, md := range []MD{{"": {"1"}}, {"a": {"1", "\n"}}, {"a b": nil}, {"grpc-status": {"0"}}} {
		if err := md.Validate(); err == nil {
			t.Errorf("%v: no error", md)
		}
	}
}

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

func TestAddWire(t *testing.T) {
	md := MD{}
	for _, f := range [][2]string{
		{"k", "1"}, {"k", "2"}, {"b-bin", "AA,AQ"}, {"b-bin", "Ag"}, {"bad", "\x80"},
		{"user-agent", "x/1"}, {":authority", "shop"}, {":path", "/a/b"}, {"grpc-timeout", "1S"}, {"content-type", "application/grpc"}, {"te", "trailers"},
		{"grpc-unheard-of", "shown all the same"},
	} {
		if err := md.AddWire(f[0], f[1]); err != nil {
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
	if err := md.AddWire("b-bin", "!"); err == nil || len(md["b-bin"]) != 3 {
		t.Errorf("broken base64: %v and %v, want an error and no change", err, md)
	}
}

func TestEachWire(t *testing.T) {
	var got []string
	MD{"K": {"v", "w"}, "b-bin": {"\x00\xff"}, "user-agent": {"x"}, ":authority": {"y"}}.EachWire(func(name, value string) {
		got = append(got, name+"="+value)
	})
	slices.Sort(got)
	if diff := cmp.Diff([]string{"b-bin=AP8", "k=v", "k=w"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEcho holds the specification's demand that a program can send on what it received.
func TestEcho(t *testing.T) {
	md := MD{}
	for _, f := range [][2]string{{"a", "x"}, {"bad", "\x01\xff"}, {"b-bin", "////"}, {":authority", "s"}, {"user-agent", "u"}} {
		if err := md.AddWire(f[0], f[1]); err != nil {
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
		md := MD{}
		if err := md.AddWire("k", wire); err != nil || md.Validate() != nil {
			t.Fatalf("%q: %v, then %v: an ASCII value must neither fail nor be impossible to echo", wire, err, md.Validate())
		}
	})
}

func TestAllocations(t *testing.T) {
	ctx := NewOutgoingContext(t.Context(), Pairs("a", "1", "b", "2"))
	var n int
	count := func(string, string) { n++ }
	if got := testing.AllocsPerRun(100, func() { EachOutgoing(ctx, count) }); got != 0 {
		t.Errorf("EachOutgoing: %v allocations, want 0", got)
	}
	if got := testing.AllocsPerRun(100, func() { _ = ValidateKey("x-request-id"); _ = ValidateValue("x-request-id", "42") }); got != 0 {
		t.Errorf("checks: %v allocations, want 0", got)
	}
	md := Pairs("a", "1", "a", "2", "b", "3", "c", "4")
	if got := testing.AllocsPerRun(100, func() { _ = md.Copy() }); got > 3 {
		t.Errorf("copy: %v allocations, want those of a map and one array", got)
	}
	lazy := &lazyContext{Context: t.Context()}
	if got := testing.AllocsPerRun(100, func() { _ = lazy.Value(IncomingKey{}) }); got != 0 {
		t.Errorf("asking a context: %v allocations, want 0", got)
	}
}
