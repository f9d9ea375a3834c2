package jwt

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/naru-rpc/naru/credentials"
)

// SignerConfig says what self-signed tokens hold.
type SignerConfig struct {
	// Key is the private key: *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey, a
	// crypto.Signer that go-jose understands, or []byte that the server shares. Algorithm must be
	// one for it.
	Key       any
	Algorithm string
	// KeyID is the "kid" by which the server finds the key; "" for none.
	KeyID string
	// Issuer and Subject are the token's; Subject "" means the same as Issuer.
	Issuer, Subject string
	// Audience is the token's "aud". "" means the service that is called, such as
	// "https://example.com/package.Service", with a token for each.
	Audience string
	// Lifetime is how long a token is valid; zero means 1 hour. Half of it is used.
	Lifetime time.Duration
	// Claims holds further claims, which must not be those above.
	Claims map[string]any
}

// maxAudiences bounds the tokens a signer keeps.
const maxAudiences = 1000

// NewSigner returns credentials that sign their tokens themselves. A token is used for half of its
// life. They are not sent without TLS, see credentials.AllowPlaintext. They are safe for concurrent
// use. It is an error if key and algorithm do not go together.
func NewSigner(config SignerConfig) (credentials.PerRPC, error) {
	if config.Issuer == "" {
		return nil, errors.New("jwt: SignerConfig.Issuer is empty")
	}
	if config.Subject == "" {
		config.Subject = config.Issuer
	}
	if config.Lifetime <= 0 {
		config.Lifetime = time.Hour
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti"} {
		if _, ok := config.Claims[name]; ok {
			return nil, fmt.Errorf("jwt: SignerConfig.Claims has %q, which the signer sets", name)
		}
	}
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if config.KeyID != "" {
		opts = opts.WithHeader("kid", config.KeyID)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(config.Algorithm), Key: config.Key}, opts)
	if err != nil {
		return nil, fmt.Errorf("jwt: %w", err)
	}
	return &signer{config: config, jose: s, tokens: make(map[string]signed)}, nil
}

type signer struct {
	config SignerConfig
	jose   jose.Signer

	mu     sync.Mutex
	tokens map[string]signed // by audience
}

type signed struct {
	pairs map[string]string
	until time.Time
}

func (s *signer) RequireTransportSecurity() bool { return true }
func (s *signer) String() string                 { return "jwt.Signer(" + s.config.Issuer + ")" }
func (s *signer) GoString() string               { return s.String() }

func (s *signer) GetRequestMetadata(_ context.Context, uri ...string) (map[string]string, error) {
	audience := s.config.Audience
	if audience == "" {
		if len(uri) == 0 {
			return nil, errors.New("jwt: a token needs an audience: SignerConfig.Audience is empty, and there is no call")
		}
		audience = uri[0]
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tokens[audience]; ok && now.Before(t.until) {
		return t.pairs, nil
	}
	text, err := s.sign(audience, now)
	if err != nil {
		return nil, fmt.Errorf("jwt: %w", err)
	}
	if len(s.tokens) >= maxAudiences {
		clear(s.tokens)
	}
	t := signed{map[string]string{"authorization": "Bearer " + text}, now.Add(s.config.Lifetime / 2)}
	s.tokens[audience] = t
	return t.pairs, nil
}

func (s *signer) sign(audience string, now time.Time) (string, error) {
	claims := map[string]any{
		"iss": s.config.Issuer, "sub": s.config.Subject, "aud": audience,
		"iat": now.Unix(), "exp": now.Add(s.config.Lifetime).Unix(), "jti": rand.Text(),
	}
	for name, value := range s.config.Claims {
		claims[name] = value
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	sig, err := s.jose.Sign(text)
	if err != nil {
		return "", err
	}
	return sig.CompactSerialize()
}
