package auth

import (
	"context"
	"slices"
	"time"

	"github.com/naru-rpc/naru/credentials"
)

// A Caller is who makes a call, as a Verifier found. It is shared by all calls with the same
// credentials and must not be changed after the verifier has returned it.
type Caller struct {
	// Scheme says how the caller was verified: "basic", "bearer", "certificate", "jwt",
	// "introspection", or a verifier's own.
	Scheme string
	// Subject is the caller's name: a user's, a token's "sub", a certificate's SPIFFE ID or first
	// name.
	Subject string
	// Issuer is who vouches for it: a token's "iss", a certificate's issuer; "" for passwords.
	Issuer string
	// Names holds all names of the caller, Subject included: a certificate may have several.
	Names []string
	// Scopes holds what a token was issued for ("scope", RFC 8693 §4.2).
	Scopes []string
	// Groups holds the groups the verifier says the caller is in.
	Groups []string
	// Claims holds a token's claims as encoding/json decodes them, with json.Number for numbers;
	// nil for callers without a token.
	Claims map[string]any
	// Identity is a client certificate's; nil for others.
	Identity *credentials.Identity
	// Expiry is when the credentials end; the zero time if that is not known. Calls that run then
	// go on.
	Expiry time.Time
}

// HasScope reports whether the caller's token was issued for scope.
func (c *Caller) HasScope(scope string) bool { return c != nil && slices.Contains(c.Scopes, scope) }

// InGroup reports whether the caller is in group.
func (c *Caller) InGroup(group string) bool { return c != nil && slices.Contains(c.Groups, group) }

// String is the scheme and the subject.
func (c *Caller) String() string {
	if c == nil {
		return "unverified"
	}
	return c.Scheme + ":" + c.Subject
}

type callerKey struct{}

// NewContext returns a context that holds caller: for verification of a program's own, and for
// tests of handlers.
func NewContext(ctx context.Context, caller *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerFrom returns the caller of the call that ctx belongs to, and whether it was verified.
func CallerFrom(ctx context.Context) (*Caller, bool) {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c, c != nil
}
