package header

import (
	"strings"
	"testing"
)

// Every byte at every place of values about the eight-byte steps, against the plain rule.
func TestValidValue_EveryByteEverywhere(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 16, 19} {
		for at := range n {
			for b := range 256 {
				s := []byte(strings.Repeat("v", n))
				s[at] = byte(b)
				want := b >= 0x20 && b != 0x7f || b == '\t'
				if got := validChars(string(s)); got != want {
					t.Fatalf("validChars(%q) = %v, want %v", s, got, want)
				}
				if at == 0 || at == n-1 {
					want = want && b != ' ' && b != '\t'
				}
				if got := ValidValue(string(s)); got != want {
					t.Fatalf("ValidValue(%q) = %v, want %v", s, got, want)
				}
			}
		}
	}
	if !ValidValue("") {
		t.Error("the empty value is refused")
	}
	// A borrow of one byte must not hide what is in the next.
	if validChars("\x20\x00\x20\x20\x20\x20\x20\x20") || validChars("\x1f\x20\x20\x20\x20\x20\x20\x20") {
		t.Error("a control character beside spaces is let through")
	}
}

func TestValidName_EveryByte(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
	for b := range 256 {
		want := strings.IndexByte(token, byte(b)) >= 0
		for _, name := range []string{string([]byte{byte(b)}), "a" + string([]byte{byte(b)}), string([]byte{byte(b)}) + "a"} {
			if got := ValidName(name); got != want {
				t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
			}
		}
	}
	if ValidName("") {
		t.Error("the empty name is accepted")
	}
}

func TestSplitPath(t *testing.T) {
	for _, tt := range []struct{ path, service, method string }{
		{"/ecommerce.ProductInfo/addProduct", "ecommerce.ProductInfo", "addProduct"},
		{"/S/M", "S", "M"},
		{"/s/m.v2", "s", "m.v2"},
		{"/prefix/pkg.S/M", "prefix/pkg.S", "M"},
		{"/a_b-c~d!$&'()*+,=:@/M", "a_b-c~d!$&'()*+,=:@", "M"},
	} {
		service, method, ok := SplitPath(tt.path)
		if !ok || service != tt.service || method != tt.method {
			t.Errorf("SplitPath(%q) = %q, %q, %v, want %q, %q", tt.path, service, method, ok, tt.service, tt.method)
		}
	}
	for _, path := range []string{
		"", "/", "//", "///", "*", "s/m", "/s", "/sm", "/s/", "//m", "/s//m", "//s/m", "/s/m/", "/s/m//",
		"/s/m?x", "/s?/m", "/s/m#f", "/s/%6d", "/s%2Fm", "/s/m;v=1", "/s\\m", "/s/m\\", "/s/ m", "/s/m ",
		"/s/m\x00", "/s/m\n", "/s/m\x7f", "/s/\xc3\xa9", "/./m", "/../m", "/s/../m", "/s/.", "/s/..", "/s/.m", "/.s/m",
		"http://host/s/m", "/" + strings.Repeat("/", 100),
	} {
		if service, method, ok := SplitPath(path); ok || service != "" || method != "" {
			t.Errorf("SplitPath(%q) = %q, %q, %v, want it refused", path, service, method, ok)
		}
	}
}
