package header

import (
	"strings"
	"testing"
)

// Every byte at every place of values about the eight-byte steps, against the plain rule.
func TestValues_EveryByteEverywhere(t *testing.T) {
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
				if got := validChars(string(s)) && !outerSpace(string(s)); got != want {
					t.Fatalf("%q valid: %v, want %v", s, got, want)
				}
			}
		}
	}
	if !validChars("") || outerSpace("") {
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
