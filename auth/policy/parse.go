package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/metadata"
)

// A Policy is a set of rules. It is made by code, or from JSON by Parse; New and Open make rules of
// it.
type Policy struct {
	// Name is for logs.
	Name string `json:"name"`
	// Deny holds the rules that refuse a call; they come first.
	Deny []Rule `json:"deny_rules,omitempty"`
	// Allow holds the rules that let a call pass. Without one every call is refused.
	Allow []Rule `json:"allow_rules"`
}

// A Rule matches calls. The zero Rule matches all.
type Rule struct {
	// Name is for logs, and must not be empty.
	Name string `json:"name"`
	// Source says which callers the rule is for; the zero Source is all.
	Source Source `json:"source,omitzero"`
	// Request says which requests it is for; the zero Request is all.
	Request Request `json:"request,omitzero"`
}

// Source says which callers a rule is for: see the package's documentation.
type Source struct {
	// Principals holds patterns of names, one of which must match auth.Caller.Subject or one of
	// Names.
	Principals []string `json:"principals,omitempty"`
	// Issuers holds patterns for auth.Caller.Issuer.
	Issuers []string `json:"issuers,omitempty"`
	// Schemes holds patterns for auth.Caller.Scheme.
	Schemes []string `json:"schemes,omitempty"`
	// Groups holds patterns, one of which must match one of auth.Caller.Groups.
	Groups []string `json:"groups,omitempty"`
	// Scopes holds patterns, one of which must match one of auth.Caller.Scopes.
	Scopes []string `json:"scopes,omitempty"`
	// Claims holds patterns by the name of the claim, all of which must be matched: a text, a
	// number as it was written, "true" or "false", or one of an array of those.
	Claims map[string][]string `json:"claims,omitempty"`
	// Addresses holds IP addresses, or prefixes such as "10.0.0.0/8", of the connection's other
	// end: a proxy's, if there is one.
	Addresses []string `json:"addresses,omitempty"`
}

// Request says which requests a rule is for.
type Request struct {
	// Paths holds patterns for the method's path.
	Paths []string `json:"paths,omitempty"`
	// Headers holds headers that must all match.
	Headers []Header `json:"headers,omitempty"`
}

// Header matches a header of the request's metadata. Several values that came under the key are
// matched as one, joined by commas (gRFC A43).
type Header struct {
	// Key is the header's key, in any case. Keys of HTTP and gRPC themselves, and those that end in
	// "-bin", are not matched.
	Key string `json:"key"`
	// Values holds patterns, one of which must match.
	Values []string `json:"values"`
}

// maxPolicy bounds the text of a policy.
const maxPolicy = 4 << 20

// Parse reads a policy in gRFC A43's JSON. Errors name the place.
func Parse(text []byte) (*Policy, error) {
	if len(text) > maxPolicy {
		return nil, fmt.Errorf("policy: %d bytes, more than %d", len(text), maxPolicy)
	}
	if err := checkNames(text); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var p *Policy
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("policy: %w", located(text, err))
	}
	if p == nil {
		return nil, errors.New("policy: null is no policy")
	}
	if _, err := p.compile(); err != nil {
		return nil, err
	}
	return p, nil
}

// located adds line and column to errors of encoding/json.
func located(text []byte, err error) error {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err
	}
	before := text[:min(int(offset), len(text))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

// checkNames refuses names that stand twice in an object, and names in other capitals than they are
// written with here: encoding/json would take the last one, and either case.
func checkNames(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := checkValue(d, text, 0, false); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// maxDepth is deeper than a policy is.
const maxDepth = 16

// checkValue checks one value. free: the names of the object are a program's own, as those of
// claims.
func checkValue(d *json.Decoder, text []byte, depth int, free bool) error {
	t, err := d.Token()
	if err != nil {
		return located(text, err)
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	seen := make(map[string]bool)
	for d.More() {
		name := ""
		if delim == '{' {
			t, err := d.Token()
			if err != nil {
				return located(text, err)
			}
			name = t.(string) // an object's names are strings, or Token fails
			if seen[name] {
				return fmt.Errorf("the name %.60q stands twice in an object", name)
			}
			seen[name] = true
			if !free && name != strings.ToLower(name) {
				return fmt.Errorf("the name %.60q is not known (names are in lower case)", name)
			}
		}
		if err := checkValue(d, text, depth+1, name == "claims"); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return located(text, err)
	}
	return nil
}

// compiled is a policy ready for use. It is immutable.
type compiled struct {
	policy      *Policy
	deny, allow []rule
}

type rule struct {
	name                                         string
	principals, issuers, schemes, groups, scopes []pattern
	claims                                       []claim
	addresses                                    []netip.Prefix
	paths                                        []pattern
	headers                                      []header
}

type claim struct {
	name   string
	values []pattern
}

type header struct {
	key    string
	values []pattern
}

// compile checks a policy.
func (p *Policy) compile() (*compiled, error) {
	c := &compiled{policy: p}
	var problems []error
	add := func(kind string, rules []Rule, to *[]rule) {
		for i := range rules {
			r, err := compileRule(&rules[i])
			if err != nil {
				problems = append(problems, fmt.Errorf("policy %.60q: %s rule %d (%.60q): %w", p.Name, kind, i+1, rules[i].Name, err))
			}
			*to = append(*to, r)
		}
	}
	if p.Name == "" {
		problems = append(problems, errors.New("policy: it has no name"))
	}
	if len(p.Allow) == 0 {
		problems = append(problems, fmt.Errorf("policy %.60q: it has no allow rule, so that every call would be refused", p.Name))
	}
	add("deny", p.Deny, &c.deny)
	add("allow", p.Allow, &c.allow)
	return c, errors.Join(problems...)
}

func compileRule(r *Rule) (rule, error) {
	var problems []error
	all := func(what string, texts []string) []pattern {
		patterns := make([]pattern, len(texts))
		for i, text := range texts {
			p, err := parsePattern(text)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", what, err))
			}
			patterns[i] = p
		}
		return patterns
	}
	c := rule{
		name:       r.Name,
		principals: all("principals", r.Source.Principals), issuers: all("issuers", r.Source.Issuers),
		schemes: all("schemes", r.Source.Schemes), groups: all("groups", r.Source.Groups), scopes: all("scopes", r.Source.Scopes),
		paths: all("paths", r.Request.Paths),
	}
	if r.Name == "" {
		problems = append(problems, errors.New("it has no name"))
	}
	for _, path := range r.Request.Paths {
		if path != "*" && !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "*") {
			problems = append(problems, fmt.Errorf("paths: %.100q matches no method: paths begin with \"/\"", path))
		}
	}
	for name, values := range r.Source.Claims {
		if len(values) == 0 {
			problems = append(problems, fmt.Errorf("claims: %.60q has no values (\"*\" means any)", name))
		}
		c.claims = append(c.claims, claim{name, all("claims", values)})
	}
	for _, text := range r.Source.Addresses {
		prefix, err := parsePrefix(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("addresses: %.60q is neither an address nor a prefix such as 10.0.0.0/8", text))
		}
		c.addresses = append(c.addresses, prefix)
	}
	for _, h := range r.Request.Headers {
		if err := checkHeader(h); err != nil {
			problems = append(problems, err)
		}
		c.headers = append(c.headers, header{strings.ToLower(h.Key), all("headers", h.Values)})
	}
	return c, errors.Join(problems...)
}

func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("no address")
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("no prefix")
	}
	return p.Masked(), nil
}

// hopByHop holds headers that A43 does not let policies look at, since a proxy changes them.
var hopByHop = []string{"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}

func checkHeader(h Header) error {
	key := strings.ToLower(h.Key)
	switch {
	case strings.HasPrefix(key, "grpc-") || key == "host" || slices.Contains(hopByHop, key):
		return fmt.Errorf("headers: %.60q is not matched by policies (gRFC A43)", h.Key)
	case metadata.ValidateKey(key) != nil:
		return fmt.Errorf("headers: %.60q is no key of metadata", h.Key)
	case strings.HasSuffix(key, "-bin"):
		return fmt.Errorf("headers: %.60q holds bytes, which patterns do not match", h.Key)
	case len(h.Values) == 0:
		return fmt.Errorf("headers: %.60q has no values (\"*\" means any)", h.Key)
	}
	return nil
}

// pattern matches a value: as it is, or with a "*" at one end.
type pattern struct {
	kind patternKind
	text string
}

type patternKind uint8

const (
	exact patternKind = iota
	prefix
	suffix
	present // "*"
)

func parsePattern(s string) (pattern, error) {
	head, tail := strings.HasPrefix(s, "*"), strings.HasSuffix(s, "*")
	p := pattern{exact, s}
	switch {
	case s == "":
		return p, errors.New("an empty value matches nothing")
	case s == "*":
		p = pattern{kind: present}
	case head && tail:
		return p, fmt.Errorf("%.100q has \"*\" at both ends: at one", s)
	case tail:
		p = pattern{prefix, s[:len(s)-1]}
	case head:
		p = pattern{suffix, s[1:]}
	}
	if strings.Contains(p.text, "*") {
		return p, fmt.Errorf("%.100q has \"*\" in the middle: only at the beginning or the end", s)
	}
	return p, nil
}

func (p pattern) matches(s string) bool {
	switch p.kind {
	case prefix:
		return strings.HasPrefix(s, p.text)
	case suffix:
		return strings.HasSuffix(s, p.text)
	case present:
		return s != ""
	}
	return s == p.text
}
