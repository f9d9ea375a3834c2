package policy

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"

	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/metadata"
)

// A Decision is what a policy says of a call.
type Decision struct {
	// Allowed reports whether the call is served.
	Allowed bool
	// Policy is the policy's name, and Rule that of the rule that decided; "" if none matched,
	// which refuses the call.
	Policy, Rule string
	// DryRun reports whether the decision has no effect: the call is served in any case.
	DryRun bool
	// Method is the call's path.
	Method string
	// Caller is who makes the call; nil if the caller was not verified.
	Caller *auth.Caller
}

// An Input is what a policy looks at.
type Input struct {
	// Method is the path of the call, as received.
	Method string
	// Caller is nil if the caller was not verified.
	Caller *auth.Caller
	// Addr is the other end of the connection; nil, and addresses that are no IP address, are in no
	// prefix.
	Addr net.Addr
	// Header returns the values of a key of the request's metadata, nil if there are none.
	Header func(key string) []string
}

// Decide says what the rules say of a call, and which one decides: for tests of a policy, and for
// tools.
func (r *Rules) Decide(in Input) Decision {
	return r.current().decide(&in)
}

func (c *compiled) decide(in *Input) Decision {
	d := Decision{Policy: c.policy.Name, Method: in.Method, Caller: in.Caller}
	for i := range c.deny {
		if c.deny[i].matches(in) {
			d.Rule = c.deny[i].name
			return d
		}
	}
	for i := range c.allow {
		if c.allow[i].matches(in) {
			d.Rule, d.Allowed = c.allow[i].name, true
			return d
		}
	}
	return d
}

// A Mismatch says why a rule does not match a call.
type Mismatch struct {
	// Deny reports whether it is a deny rule.
	Deny bool
	// Rule is its name.
	Rule string
	// Part is the first part of the rule that does not match, as the JSON names it: "paths",
	// "principals", "headers".
	Part string
}

// Explain is Decide, and says of each rule that was passed over why: for tools.
func (r *Rules) Explain(in Input) (Decision, []Mismatch) {
	c := r.current()
	d := c.decide(&in)
	var passed []Mismatch
	for i := range c.deny {
		if part := c.deny[i].mismatch(&in); part != "" {
			passed = append(passed, Mismatch{true, c.deny[i].name, part})
		} else if !d.Allowed {
			return d, passed
		}
	}
	for i := range c.allow {
		part := c.allow[i].mismatch(&in)
		if part == "" {
			break
		}
		passed = append(passed, Mismatch{false, c.allow[i].name, part})
	}
	return d, passed
}

func (r *rule) matches(in *Input) bool { return r.mismatch(in) == "" }

// mismatch returns the first part of a rule that does not match a call, "" if all do. Parts that
// are not given match.
func (r *rule) mismatch(in *Input) string {
	switch {
	case len(r.paths) > 0 && !anyOf(r.paths, in.Method):
		return "paths"
	case len(r.addresses) > 0 && !inPrefixes(r.addresses, in.Addr):
		return "addresses"
	case !r.matchesHeaders(in.Header):
		return "headers"
	}
	return r.callerMismatch(in.Caller)
}

// nobody is who a call without a verified caller is from. No pattern matches it: none is for empty
// values.
var nobody auth.Caller

func (r *rule) callerMismatch(c *auth.Caller) string {
	if c == nil {
		c = &nobody
	}
	switch {
	case len(r.principals) > 0 && !anyOf(r.principals, c.Subject) && !eachOf(r.principals, c.Names):
		return "principals"
	case len(r.issuers) > 0 && !anyOf(r.issuers, c.Issuer):
		return "issuers"
	case len(r.schemes) > 0 && !anyOf(r.schemes, c.Scheme):
		return "schemes"
	case len(r.groups) > 0 && !eachOf(r.groups, c.Groups):
		return "groups"
	case len(r.scopes) > 0 && !eachOf(r.scopes, c.Scopes):
		return "scopes"
	case !r.matchesClaims(c.Claims):
		return "claims"
	}
	return ""
}

func (r *rule) matchesClaims(claims map[string]any) bool {
	for i := range r.claims {
		if !claimMatches(r.claims[i].values, claims[r.claims[i].name]) {
			return false
		}
	}
	return true
}

// claimMatches holds patterns against a claim: its text, its number as it was written, "true" and
// "false", or one of an array of such.
func claimMatches(values []pattern, claim any) bool {
	switch v := claim.(type) {
	case string:
		return anyOf(values, v)
	case json.Number:
		return anyOf(values, v.String())
	case bool:
		if v {
			return anyOf(values, "true")
		}
		return anyOf(values, "false")
	case []any:
		for _, one := range v {
			if _, nested := one.([]any); !nested && claimMatches(values, one) {
				return true
			}
		}
	}
	return false
}

func (r *rule) matchesHeaders(get func(string) []string) bool {
	for i := range r.headers {
		if get == nil {
			return false
		}
		values := get(r.headers[i].key)
		if len(values) == 0 {
			return false
		}
		value := values[0]
		if len(values) > 1 {
			value = strings.Join(values, ",")
		}
		if !anyOf(r.headers[i].values, value) {
			return false
		}
	}
	return true
}

func anyOf(patterns []pattern, value string) bool {
	for i := range patterns {
		if patterns[i].matches(value) {
			return true
		}
	}
	return false
}

func eachOf(patterns []pattern, values []string) bool {
	for _, v := range values {
		if anyOf(patterns, v) {
			return true
		}
	}
	return false
}

func inPrefixes(prefixes []netip.Prefix, addr net.Addr) bool {
	var ip netip.Addr
	switch a := addr.(type) {
	case *net.TCPAddr:
		ip = a.AddrPort().Addr()
	case nil:
		return false
	default:
		ap, err := netip.ParseAddrPort(a.String())
		if err != nil {
			return false
		}
		ip = ap.Addr()
	}
	ip = ip.Unmap().WithZone("")
	for _, p := range prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// headersOf returns the metadata of a call.
func headersOf(ctx context.Context) func(string) []string {
	return func(key string) []string { return metadata.ValueFromIncomingContext(ctx, key) }
}
