package resolver

import (
	"fmt"
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

// ParseTarget parses a target that has a scheme. If there is an error further on, the scheme is set all the same.
func ParseTarget(s string) (Target, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !validScheme(scheme) {
		return Target{}, fmt.Errorf("parse target %q: it does not begin with a scheme", s)
	}
	t := Target{Scheme: strings.ToLower(scheme), text: s}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery {
		q, err := url.ParseQuery(query)
		if err != nil {
			return t, fmt.Errorf("parse target %q: query: %w", s, err)
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
	}
	var err error
	if t.Endpoint, err = url.PathUnescape(path); err != nil {
		return t, fmt.Errorf("parse target %q: path: %w", s, err)
	}
	if t.Authority, err = url.PathUnescape(t.Authority); err != nil {
		return t, fmt.Errorf("parse target %q: authority: %w", s, err)
	}
	return t, nil
}

// absolutePath: for files the slash after the authority belongs to the path.
// naming.md: "unix:path", "unix:///absolute_path".
func (t *Target) absolutePath() bool { return t.Scheme == "unix" || t.Scheme == "file" }

// String returns the target as it was written.
func (t Target) String() string { return t.text }

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
