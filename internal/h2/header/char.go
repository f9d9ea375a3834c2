package header

// A class is a set of roles a byte may play.
type class uint8

const (
	inName   class = 1 << iota // field name: token without upper case
	inToken                    // token, RFC 9110 §5.6.2
	inValue                    // field value, RFC 9110 §5.5
	inTarget                   // :path as HTTP sees it
	inScheme                   // URI scheme, RFC 3986 §3.1, after its first letter
)

// classes answers "may byte b stand here" with one look-up.
var classes = newClasses()

func newClasses() (t [256]class) {
	for b := range t {
		switch c := byte(b); {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			t[b] = inName | inToken | inScheme
		case c >= 'A' && c <= 'Z':
			t[b] = inToken | inScheme
		}
		// RFC 9110 §5.5: visible characters, obs-text, and inside a value space and tab.
		if b > ' ' && b != 0x7f {
			t[b] |= inValue | inTarget
		}
	}
	t[' '] |= inValue
	t['\t'] |= inValue
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= inName | inToken
	}
	for _, c := range "+-." {
		t[c] |= inScheme
	}
	return t
}

// all reports whether every byte of s is in class c.
func all(s string, c class) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&c == 0 {
			return false
		}
	}
	return true
}

// ValidName reports whether name may be sent as the name of a regular field: a token in lower
// case (RFC 9113 §8.2.1). It says nothing about names with a meaning to HTTP/2.
func ValidName(name string) bool { return name != "" && all(name, inName) }

// outerSpace reports whether s starts or ends with space or tab.
func outerSpace(s string) bool { return s != "" && (isSpace(s[0]) || isSpace(s[len(s)-1])) }

func isSpace(b byte) bool { return b == ' ' || b == '\t' }

// validChars reports whether s holds only bytes of a field value (RFC 9110 §5.5). It checks eight
// bytes at a time and asks the table only about words that may hold a control character.
func validChars(s string) bool {
	for len(s) >= 8 {
		if mayHoldControl(load64(s)) && !all(s[:8], inValue) {
			return false
		}
		s = s[8:]
	}
	return all(s, inValue)
}

// mayHoldControl reports whether a byte of w is below 0x20 or equal to 0x7f. It is never wrong
// when it says no. Both terms borrow from or compare bytes in place, exact for the lowest
// matching byte, which is all that matters here.
func mayHoldControl(w uint64) bool {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	below := (w - 0x20*ones) &^ w & high
	del := w ^ 0x7f*ones
	return below|((del-ones)&^del&high) != 0
}

func load64(s string) uint64 {
	s = s[:8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
