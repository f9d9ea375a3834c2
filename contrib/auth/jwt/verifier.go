package jwt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/naru-rpc/naru/auth"
)

const (
	// maxToken bounds a token: what servers of HTTP accept as a header in all is 8 to 16 KiB.
	maxToken = 8 << 10
	// maxTries bounds the keys that are tried for a token without a key id: a signature costs up to
	// a millisecond.
	maxTries = 4
	// defaultLeeway is for clocks that differ.
	defaultLeeway = 30 * time.Second
	maxLeeway     = 10 * time.Minute
)

// Config says which tokens are accepted. Issuer, Audiences and Keys are required.
type Config struct {
	// Issuer must be a token's "iss". Tokens of other issuers are left to the next verifier.
	Issuer string
	// Audiences holds what a token's "aud" must have one of: the names of this service. A token
	// that was made for another service is refused, so that the other service cannot use it here.
	Audiences []string
	// Keys holds the issuer's keys: see Discover, FromURL, FromFile and Static. For a token without
	// a key id ("kid") four of those for its algorithm are tried.
	Keys *Keys
	// Algorithms holds the signature algorithms that are accepted (RFC 7518 §3.1, RFC 8037 §3.1).
	// Empty means RS256, ES256 and EdDSA. HS256, HS384 and HS512 need a Static key that the server
	// shares with the issuer, and cannot be mixed with others.
	Algorithms []string
	// Leeway is by how much clocks may differ; zero means 30 s, a negative one none. At most 10
	// minutes.
	Leeway time.Duration
	// MaxAge is how long after its "iat" a token is accepted at most, whatever its expiry; zero
	// means as long as its expiry says. With it a token must have "iat".
	MaxAge time.Duration
	// Type is what the token's "typ" must be, such as "at+jwt" for access tokens (RFC 9068); ""
	// accepts none and "JWT" too.
	Type string
	// GroupsClaim names the claim that holds the caller's groups, an array of strings; "" means
	// "groups".
	GroupsClaim string
	// Accept, if not nil, has the last word on a token whose signature and times are right: it may
	// look at caller.Claims, change the caller, and refuse it with an error (auth.Refuse). It must
	// be safe for concurrent use.
	Accept func(caller *auth.Caller) error
}

// NewVerifier returns a verifier of tokens. It is an error if config lacks something or contradicts
// itself.
//
// A token that is refused ends the call with UNAUTHENTICATED and a text that says what is wrong
// with it. If the issuer's keys cannot be fetched, and those that are known are too old, calls fail
// with UNAVAILABLE. auth.Cached spares most calls the signature.
func NewVerifier(config Config) (auth.Verifier, error) {
	v := &verifier{Config: config}
	if err := v.complete(); err != nil {
		return nil, fmt.Errorf("jwt: %w", err)
	}
	return v, nil
}

type verifier struct {
	Config
	algorithms []jose.SignatureAlgorithm
}

var (
	asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	symmetric  = []string{"HS256", "HS384", "HS512"}
)

// complete checks the configuration and fills in defaults.
func (v *verifier) complete() error {
	switch {
	case v.Issuer == "":
		return errors.New("Config.Issuer is empty: without it a token of anybody with a key of the set would be accepted")
	case len(v.Audiences) == 0 || slices.Contains(v.Audiences, ""):
		return errors.New("Config.Audiences is empty: without it a token made for another service would be accepted here")
	case v.Keys == nil:
		return errors.New("Config.Keys is nil: use Discover, FromURL, FromFile or Static")
	case v.Leeway > maxLeeway:
		return fmt.Errorf("Config.Leeway is %v: at most %v", v.Leeway, maxLeeway)
	case v.MaxAge < 0:
		return fmt.Errorf("Config.MaxAge is %v: want a positive time, or zero for none", v.MaxAge)
	}
	if v.Leeway == 0 {
		v.Leeway = defaultLeeway
	}
	v.Leeway = max(v.Leeway, 0)
	if v.GroupsClaim == "" {
		v.GroupsClaim = "groups"
	}
	if len(v.Algorithms) == 0 {
		v.Algorithms = []string{"RS256", "ES256", "EdDSA"}
		if v.Keys.shared {
			v.Algorithms = []string{"HS256"}
		}
	}
	for _, name := range v.Algorithms {
		switch {
		case slices.Contains(symmetric, name) && !v.Keys.shared:
			return fmt.Errorf("Config.Algorithms has %s, which needs a shared key: use Static", name)
		case slices.Contains(asymmetric, name) && v.Keys.shared:
			return fmt.Errorf("Config.Algorithms has %s, and the keys are shared ones: a public key must never be taken for a shared one", name)
		case !slices.Contains(symmetric, name) && !slices.Contains(asymmetric, name):
			return fmt.Errorf("Config.Algorithms has %.40q: want some of %s, %s", name, strings.Join(asymmetric, ", "), strings.Join(symmetric, ", "))
		}
		v.algorithms = append(v.algorithms, jose.SignatureAlgorithm(name))
	}
	return nil
}

func (v *verifier) Challenge() string { return `Bearer realm="grpc"` }

// Verify implements auth.Verifier.
func (v *verifier) Verify(ctx context.Context, r auth.Request) (*auth.Caller, error) {
	if r.Scheme != "bearer" || strings.Count(r.Credentials, ".") != 2 {
		return nil, auth.ErrNotMine
	}
	t, err := read(r.Credentials)
	if err != nil {
		return nil, auth.Refuse("the token is not a JWT this server accepts: %v", err)
	}
	if t.claims.text("iss") != v.Issuer {
		return nil, auth.ErrNotMine
	}
	if err := v.checkHeader(t.header); err != nil {
		return nil, auth.Refuse("the token is refused: %v", err)
	}
	// The claims are checked first: they cost less than a signature or a request for keys. What
	// they say is worth nothing, and nothing is done with it, before the signature is known to be
	// right.
	caller, err := v.checkClaims(t.claims, time.Now())
	if err != nil {
		return nil, auth.Refuse("the token is refused: %v", err)
	}
	if err := v.checkSignature(ctx, t, r.Credentials); err != nil {
		return nil, err
	}
	if v.Accept != nil {
		if err := v.Accept(caller); err != nil {
			return nil, err
		}
	}
	return caller, nil
}

// checkHeader refuses headers that would make the token say how it is to be verified (RFC 8725
// §3.1, §3.10).
func (v *verifier) checkHeader(h object) error {
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"} {
		if _, ok := h[name]; ok {
			return fmt.Errorf("it has a header %q", name)
		}
	}
	if alg := h.text("alg"); !slices.Contains(v.Algorithms, alg) {
		return fmt.Errorf("its algorithm is %.40q, want %s", alg, strings.Join(v.Algorithms, ", "))
	}
	typ, ok := h["typ"].(string)
	if _, has := h["typ"]; has && !ok {
		return errors.New("its header \"typ\" is not a string")
	}
	// RFC 7515 §4.1.9: "application/" may be left out, and media types ignore case.
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	want := strings.TrimPrefix(strings.ToLower(v.Type), "application/")
	if typ != want && !(want == "" && typ == "jwt") {
		return fmt.Errorf("its type is %.40q, want %q", typ, v.Type)
	}
	if kid, ok := h["kid"]; ok {
		if _, ok := kid.(string); !ok {
			return errors.New("its header \"kid\" is not a string")
		}
	}
	return nil
}

// checkSignature verifies the token with the keys that may have signed it.
func (v *verifier) checkSignature(ctx context.Context, t *token, compact string) error {
	sig, err := jose.ParseSignedCompact(compact, v.algorithms)
	if err != nil {
		return auth.Refuse("the token is refused: its signature cannot be read")
	}
	alg, kid := t.header.text("alg"), t.header.text("kid")
	keys, err := v.Keys.find(ctx, alg, kid)
	if err != nil || signedBy(sig, keys, t.payload) {
		return err
	}
	// A key id that is not known makes the keys be fetched again. Without one, a signature that
	// none of them made may be a new key's.
	if kid == "" {
		renewed, err := v.Keys.renew(ctx)
		if err != nil {
			return err
		}
		if renewed {
			if keys, err = v.Keys.find(ctx, alg, kid); err != nil || signedBy(sig, keys, t.payload) {
				return err
			}
		}
	}
	if len(keys) == 0 {
		return auth.Refuse("the token is refused: no key %.60q of its issuer for %s is known", kid, alg)
	}
	return auth.Refuse("the token is refused: its signature is wrong")
}

// signedBy reports whether one of the first keys made the signature of payload.
func signedBy(sig *jose.JSONWebSignature, keys []jose.JSONWebKey, payload []byte) bool {
	for _, key := range keys[:min(len(keys), maxTries)] {
		if signed, err := sig.Verify(key.Key); err == nil && string(signed) == string(payload) {
			return true
		}
	}
	return false
}
