package wire

import (
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// plain reports whether a byte of grpc-message travels as it is:
// "Percent-Byte-Unencoded → 1*( %x20-%x24 / %x26-%x7E ) ; space and VCHAR, except %"
func plain(c byte) bool { return c >= ' ' && c <= '~' && c != '%' }

// PercentEncode returns a status message as grpc-message carries it: in UTF-8, with bytes
// other than printable ASCII and the percent sign itself percent-coded. Bytes that are not UTF-8
// become U+FFFD. A message that needs no coding is returned without allocating.
func PercentEncode(message string) string {
	for i := 0; i < len(message); i++ {
		if !plain(message[i]) {
			return encodeFrom(message, i)
		}
	}
	return message
}

func encodeFrom(message string, i int) string {
	if !utf8.ValidString(message[i:]) {
		message = message[:i] + strings.ToValidUTF8(message[i:], "\uFFFD")
	}
	b := make([]byte, i, len(message)+3*8)
	copy(b, message)
	for ; i < len(message); i++ {
		if c := message[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

// PercentDecode undoes PercentEncode. It never fails: "When decoding invalid values,
// implementations MUST NOT error or throw away the message" (doc/PROTOCOL-HTTP2.md); escapes
// that are none are kept as they are, and bytes that are not UTF-8 become U+FFFD.
func PercentDecode(wire string) string {
	i := strings.IndexByte(wire, '%')
	if i < 0 {
		return strings.ToValidUTF8(wire, "\uFFFD")
	}
	b := make([]byte, i, len(wire))
	copy(b, wire)
	for ; i < len(wire); i++ {
		if wire[i] == '%' && i+2 < len(wire) {
			if hi, lo := unhex(wire[i+1]), unhex(wire[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, wire[i])
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
