package metadata

import (
	"strings"
	"testing"
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
