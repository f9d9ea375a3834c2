package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/naru-rpc/naru/credentials"
)

// Basic returns a verifier of user names and passwords (RFC 7617). check decides: it must take as
// long for unknown users as for wrong passwords, and its refusals should not differ
// (ErrWrongPassword); contrib/auth/password checks a file that way. It must be safe for concurrent
// use. Passwords are in UTF-8. They travel with each call, so use TLS.
func Basic(check func(ctx context.Context, user, password string) (*Caller, error)) Verifier {
	return basic{check}
}

// ErrWrongPassword refuses a user name and password without telling which of the two is wrong.
var ErrWrongPassword = Refuse("the user name or the password is wrong")

type basic struct {
	check func(ctx context.Context, user, password string) (*Caller, error)
}

func (b basic) Challenge() string { return `Basic realm="grpc", charset="UTF-8"` }

func (b basic) Verify(ctx context.Context, r Request) (*Caller, error) {
	if r.Scheme != "basic" {
		return nil, ErrNotMine
	}
	pair, err := base64.StdEncoding.DecodeString(r.Credentials)
	if err != nil {
		return nil, Refuse("basic credentials are not base64")
	}
	user, password, ok := strings.Cut(string(pair), ":")
	if !ok || !utf8.Valid(pair) || hasControl(user) || hasControl(password) {
		return nil, Refuse("basic credentials are not USER:PASSWORD in UTF-8 without control characters")
	}
	return b.check(ctx, user, password)
}

// hasControl: "user-id and password MUST NOT contain any control characters" (RFC 7617 §2).
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// Bearer returns a verifier of opaque bearer tokens (RFC 6750). check decides; ErrNotMine passes a
// token on to the next verifier. It must be safe for concurrent use, and compare secrets in
// constant time, as StaticTokens does.
func Bearer(check func(ctx context.Context, token string) (*Caller, error)) Verifier {
	return bearer{check}
}

type bearer struct {
	check func(ctx context.Context, token string) (*Caller, error)
}

func (b bearer) Challenge() string { return `Bearer realm="grpc"` }

func (b bearer) Verify(ctx context.Context, r Request) (*Caller, error) {
	if r.Scheme != "bearer" {
		return nil, ErrNotMine
	}
	if r.Credentials == "" {
		return nil, Refuse("the bearer token is empty")
	}
	return b.check(ctx, r.Credentials)
}

// StaticTokens returns a verifier of bearer tokens that are known beforehand: callers by token. How
// long it takes depends on their number, not on what a token that is shown has in common with one
// of them. Tokens should have at least 128 random bits.
func StaticTokens(callers map[string]*Caller) Verifier {
	type known struct {
		sum    [sha256.Size]byte
		caller *Caller
	}
	all := make([]known, 0, len(callers))
	for token, caller := range callers {
		all = append(all, known{sha256.Sum256([]byte(token)), caller})
	}
	return Bearer(func(_ context.Context, token string) (*Caller, error) {
		sum := sha256.Sum256([]byte(token))
		var found *Caller
		for i := range all {
			if subtle.ConstantTimeCompare(all[i].sum[:], sum[:]) == 1 {
				found = all[i].caller
			}
		}
		if found == nil {
			return nil, ErrNotMine
		}
		return found, nil
	})
}

// ClientCertificate returns a verifier of the certificate that the client's connection has shown
// and the server's TLS configuration verified (credentials.TLSFiles.CA). The caller's Subject is
// its SPIFFE ID, or else its first DNS name, e-mail address, URI or IP address; common names are no
// names. The caller of a connection is made anew for each call.
//
// A call with an authorization header is left to other verifiers, whatever its connection has
// shown: a wrong token must not be overlooked because it came over a good connection.
func ClientCertificate() Verifier { return certificate{} }

type certificate struct{}

func (certificate) Challenge() string { return "" }

func (certificate) Verify(_ context.Context, r Request) (*Caller, error) {
	if r.Scheme != "" {
		return nil, ErrNotMine
	}
	id, ok := credentials.IdentityOf(r.Peer.TLS)
	if !ok {
		return nil, ErrNotMine
	}
	names := certificateNames(&id)
	if len(names) == 0 {
		return nil, Refuse("the client's certificate (%.100s) has no subject alternative name", id.Subject)
	}
	return &Caller{
		Scheme: "certificate", Subject: names[0], Issuer: id.Chain[0].Issuer.String(),
		Names: names, Identity: &id, Expiry: id.Chain[0].NotAfter,
	}, nil
}

func certificateNames(id *credentials.Identity) []string {
	var names []string
	if id.SPIFFE != "" {
		names = append(names, id.SPIFFE)
	}
	names = append(names, id.DNS...)
	names = append(names, id.Emails...)
	for _, u := range id.URIs {
		if s := u.String(); s != id.SPIFFE {
			names = append(names, s)
		}
	}
	for _, ip := range id.IPs {
		names = append(names, ip.String())
	}
	return names
}
