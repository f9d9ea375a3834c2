package wire

import "strings"

const grpcContentType = "application/grpc"

// ParseContentType reports whether a content-type is gRPC's, and names its subtype.
//
//	Content-Type → "content-type" "application/grpc" [("+proto" / "+json" / {custom})]
//
// Without a subtype, which means proto, subtype is "". Parameters after a semicolon are ignored, as
// peers send charset. Names are compared without case (RFC 9110 §8.3.1). "application/grpc-web" is
// another protocol: not ok.
func ParseContentType(s string) (subtype string, ok bool) {
	if len(s) < len(grpcContentType) || !strings.EqualFold(s[:len(grpcContentType)], grpcContentType) {
		return "", false
	}
	rest := s[len(grpcContentType):]
	if rest == "" {
		return "", true
	}
	switch rest[0] {
	case '+':
		rest = rest[1:]
		if i := strings.IndexByte(rest, ';'); i >= 0 {
			rest = rest[:i]
		}
		rest = strings.ToLower(strings.Trim(rest, " \t"))
		return rest, rest != ""
	case ';', ' ', '\t':
		return "", true
	}
	return "", false
}

// ContentType returns the content-type with this subtype, which may be "".
func ContentType(subtype string) string {
	if subtype == "" {
		return grpcContentType
	}
	return grpcContentType + "+" + subtype
}
