package resolver

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Target is a parsed target URI (RFC 3986; naming.md of gRPC):
//
//	dns://8.8.8.8/shop.example.com:443     scheme "dns", authority "8.8.8.8"
//	unix:run/shop.sock                     scheme "unix", no authority
type Target struct {
	// Scheme selects the builder, lower case.
	Scheme string
	// Authority is the part between "//" and the next "/", for builders that know a use for it.
	Authority string
	// Endpoint is the rest, percent-decoded, without the slash that ends the authority:
	// "shop.example.com:443". For the form without "//" everything after the colon.
	Endpoint string
	// Query holds the values after "?", for builders that know a use for them.
	Query url.Values

	text         string
	hierarchical bool // had "//"
}

// ParseTarget parses a target that has a scheme. If there is an error further on, the scheme is set
// all the same.
func ParseTarget(s string) (Target, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !validScheme(scheme) {
		return Target{}, fmt.Errorf("parse target %q: it does not begin with a scheme", clip(s))
	}
	t := Target{Scheme: strings.ToLower(scheme), text: s}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery {
		q, err := url.ParseQuery(query)
		if err != nil {
			return t, fmt.Errorf("parse target %q: query: %w", clip(s), err)
		}
		t.Query = q
	}
	path := rest
	if after, found := strings.CutPrefix(rest, "//"); found {
		t.hierarchical = true
		t.Authority, path, found = strings.Cut(after, "/")
		if found && t.absolutePath() {
			path = "/" + path
		}
	} else if !t.absolutePath() {
		path = strings.TrimPrefix(path, "/") // "dns:/host" is "dns:///host" with an empty authority left out
	}
	var err error
	if t.Endpoint, err = unescape(path); err != nil {
		return t, fmt.Errorf("parse target %q: path: %w", clip(s), err)
	}
	if t.Authority, err = unescape(t.Authority); err != nil {
		return t, fmt.Errorf("parse target %q: authority: %w", clip(s), err)
	}
	return t, nil
}

// unescape decodes percent escapes, and leaves the zones of IPv6 addresses as people write them:
// "[fe80::1%eth0]:80". RFC 6874 §2 has the % of a zone escaped in a URI, as in
// "[fe80::1%25eth0]:80", and suggests in §3 that "a bare % sign" is accepted where a person types
// it.
func unescape(s string) (string, error) {
	if zoned(s) {
		return strings.Replace(s, "%25", "%", 1), nil
	}
	var b strings.Builder
	for s != "" {
		open := strings.IndexByte(s, '[')
		end := strings.IndexByte(s, ']')
		if open < 0 || end < open || !zoned(s[open+1:end]) {
			open, end = len(s), len(s)
		}
		plain, err := url.PathUnescape(s[:open])
		if err != nil {
			return "", err
		}
		b.WriteString(plain)
		b.WriteString(strings.Replace(s[open:end], "%25", "%", 1))
		s = s[end:]
	}
	return b.String(), nil
}

// zoned reports whether s is an IPv6 address with a zone, whose % may be escaped.
func zoned(s string) bool {
	ip, err := netip.ParseAddr(strings.Replace(s, "%25", "%", 1))
	return err == nil && ip.Zone() != ""
}

// absolutePath: for files and sockets the slash after the authority belongs to the path.
// naming.md: "unix:path", "unix:///absolute_path".
func (t *Target) absolutePath() bool {
	return t.Scheme == "unix" || t.Scheme == "unix-abstract" || t.Scheme == "file"
}

// String returns the target as it was written.
func (t Target) String() string { return t.text }

// brief returns the target for error texts: it may list thousands of addresses.
func (t Target) brief() string { return clip(t.text) }

const maxClip = 128

func clip(s string) string {
	if len(s) <= maxClip {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:maxClip], ""), len(s))
}

// validScheme: RFC 3986 §3.1, scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ).
func validScheme(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}
