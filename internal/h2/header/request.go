package header

import (
	"strings"

	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// Request is a request's header section.
type Request struct {
	Method string
	Scheme string // "" for CONNECT
	// Authority is :authority, or host where that is missing or empty; "" if neither is there.
	Authority string
	Path      string // "" for CONNECT
	// Fields are the regular fields, a part of the slice that was parsed.
	Fields []hpack.Field
	// ContentLength is NoLength if there is none. That the body has this length is for the
	// receiver of the body to check (RFC 9113 §8.1.1).
	ContentLength int64
}

// Bits of the pseudo-header fields met so far.
const (
	hasMethod = 1 << iota
	hasScheme
	hasAuthority
	hasPath
)

// ParseRequest checks a request's header section and fills out, all of it, from fields. If it
// returns an error, out is of no use.
func ParseRequest(fields []hpack.Field, out *Request) *Error {
	*out = Request{}
	n, seen, err := parsePseudo(fields, out)
	if err != nil {
		return err
	}
	if err := checkTarget(out, seen); err != nil {
		return err
	}
	out.Fields = fields[n:]
	var r regular
	if err := checkRegular(out.Fields, &r); err != nil {
		return err
	}
	out.ContentLength = r.length
	return resolveAuthority(out, &r)
}

// parsePseudo reads the leading pseudo-header fields and returns how many there are and which.
func parsePseudo(fields []hpack.Field, out *Request) (n int, seen uint8, err *Error) {
	for n = range fields {
		f := &fields[n]
		if f.Name == "" || f.Name[0] != ':' {
			return n, seen, nil
		}
		var bit uint8
		switch f.Name {
		case ":method":
			bit, out.Method = hasMethod, f.Value
		case ":scheme":
			bit, out.Scheme = hasScheme, f.Value
		case ":authority":
			bit, out.Authority = hasAuthority, f.Value
		case ":path":
			bit, out.Path = hasPath, f.Value
		default:
			// RFC 9113 §8.3: "Endpoints MUST treat a request or response that contains undefined or
			// invalid pseudo-header fields as malformed". :protocol (RFC 8441) is not on offer.
			return n, seen, rulePseudoUnknown.on(f.Name)
		}
		// RFC 9113 §8.3: "The same pseudo-header field name MUST NOT appear more than once in a
		// field block."
		if seen&bit != 0 {
			return n, seen, rulePseudoTwice.on(f.Name)
		}
		seen |= bit
		if err := checkValue(f); err != nil {
			return n, seen, err
		}
	}
	return len(fields), seen, nil
}

// checkTarget checks that the pseudo-header fields are complete and their values in form.
func checkTarget(out *Request, seen uint8) *Error {
	// RFC 9113 §8.3.1: "All HTTP/2 requests MUST include exactly one valid value for the
	// ":method", ":scheme", and ":path" pseudo-header fields, unless they are CONNECT requests".
	if seen&hasMethod == 0 {
		return ruleMethodMissing.on("")
	}
	if out.Method == "" || !all(out.Method, inToken) {
		return ruleMethodValue.on(":method")
	}
	if out.Method == "CONNECT" {
		return checkConnect(out, seen)
	}
	if seen&hasScheme == 0 {
		return ruleSchemeMissing.on("")
	}
	if !validScheme(out.Scheme) {
		return ruleSchemeValue.on(":scheme")
	}
	if seen&hasPath == 0 {
		return rulePathMissing.on("")
	}
	// RFC 9113 §8.3.1: "This pseudo-header field MUST NOT be empty for "http" or "https" URIs".
	if out.Path == "" {
		return rulePathEmpty.on(":path")
	}
	if !all(out.Path, inTarget) {
		return rulePathValue.on(":path")
	}
	return nil
}

// checkConnect applies RFC 9113 §8.5: "The ":scheme" and ":path" pseudo-header fields MUST be
// omitted", and "the ":authority" pseudo-header field contains the host and port to connect to".
func checkConnect(out *Request, seen uint8) *Error {
	if seen&(hasScheme|hasPath) != 0 {
		return ruleConnectPath.on("")
	}
	if out.Authority == "" {
		return ruleConnectAuth.on("")
	}
	return nil
}

func validScheme(s string) bool {
	if s == "http" || s == "https" {
		return true
	}
	return s != "" && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z') && all(s, inScheme)
}

// resolveAuthority settles :authority against host.
func resolveAuthority(out *Request, r *regular) *Error {
	switch {
	case !r.hasHost:
	case out.Authority == "":
		out.Authority = r.host
	// RFC 9113 §8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header
	// field that identifies an entity that differs from the entity in the ":authority"
	// pseudo-header field." So no two parties can route by different ones.
	case out.Authority != r.host && !strings.EqualFold(out.Authority, r.host):
		return ruleHostDiffers.on("host")
	}
	return nil
}
