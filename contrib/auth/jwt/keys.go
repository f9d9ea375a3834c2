package jwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/auth/internal/endpoint"
	"github.com/naru-rpc/naru/status"
)

const (
	defaultRefresh  = 10 * time.Minute
	defaultMinFetch = 30 * time.Second
	defaultMaxStale = time.Hour
	// fetchTimeout bounds a request for keys, since no call's context does.
	fetchTimeout = 10 * time.Second
	// minSharedKey is what RFC 7518 §3.2 asks for HS256: a key at least as long as the hash.
	minSharedKey = 32
	minRSABits   = 2048
	maxKeys      = 100
)

// KeysConfig configures where an issuer's keys come from. Zero values mean the defaults.
type KeysConfig struct {
	// Client makes the requests; nil means one with a timeout of 10 s that follows redirects to
	// https only.
	Client *http.Client
	// Refresh is how old keys are when they are fetched again, in the background; default 10
	// minutes.
	Refresh time.Duration
	// MinInterval is the least time between two requests; default 30 s. A token whose key is not
	// known makes the keys be fetched again, so that a new key works at once, but not more often
	// than this: tokens with made-up key ids cannot make a flood.
	MinInterval time.Duration
	// MaxStale is how long keys are used after the last time they could be fetched; default 1 hour.
	// After it, calls with tokens fail with UNAVAILABLE: a key that was withdrawn in the meantime
	// must not work for ever.
	MaxStale time.Duration
	// AllowHTTP accepts keys over plain HTTP from other machines than this one. Who can change the
	// answer can make any token.
	AllowHTTP bool
	// Logger gets a warning when keys cannot be fetched, and a line when they can again; nil means
	// none.
	Logger *slog.Logger
}

// Keys holds the keys of an issuer. It is safe for concurrent use, and may be shared by verifiers
// of several audiences.
type Keys struct {
	name   string
	load   func(ctx context.Context) ([]byte, error) // nil: the keys are fixed
	config KeysConfig
	shared bool // symmetric keys, from Static

	current atomic.Pointer[keySet] // nil: none yet

	// guarded by mu
	mu      sync.Mutex
	running chan struct{} // closed, without a value sent, when the request that runs has ended; nil: none runs
	tried   time.Time     // when the last one began
	lastErr error
}

// keySet is what one request brought. It is immutable.
type keySet struct {
	keys    []jose.JSONWebKey
	fetched time.Time
	refresh time.Time // when to fetch again
}

// FromURL returns the keys of a JSON Web Key Set (RFC 7517 §5) at url, which must be https, or on
// this machine. It fetches them once before it returns, and it is an error if that fails.
func FromURL(ctx context.Context, url string, config KeysConfig) (*Keys, error) {
	config = config.withDefaults()
	if err := endpoint.Check(url, config.AllowHTTP); err != nil {
		return nil, fmt.Errorf("jwt: keys: %w", err)
	}
	return start(ctx, url, func(ctx context.Context) ([]byte, error) { return get(ctx, config.Client, url) }, config)
}

// Discover returns the keys of an OpenID Connect provider: those at the jwks_uri of issuer's
// /.well-known/openid-configuration (OpenID Connect Discovery 1.0 §4), which is read again with
// them. It is an error if the document names another issuer.
func Discover(ctx context.Context, issuer string, config KeysConfig) (*Keys, error) {
	config = config.withDefaults()
	if err := endpoint.Check(issuer, config.AllowHTTP); err != nil {
		return nil, fmt.Errorf("jwt: discovery: %w", err)
	}
	return start(ctx, issuer, func(ctx context.Context) ([]byte, error) { return discover(ctx, issuer, config) }, config)
}

// FromFile returns the keys of a JSON Web Key Set in a file, which is read again as a URL is:
// Refresh defaults to 10 s, and MinInterval to 1 s.
func FromFile(path string, config KeysConfig) (*Keys, error) {
	if config.Refresh <= 0 {
		config.Refresh = 10 * time.Second
	}
	if config.MinInterval <= 0 {
		config.MinInterval = time.Second
	}
	load := func(context.Context) ([]byte, error) { return os.ReadFile(path) }
	return start(context.Background(), path, load, config.withDefaults())
}

// Static returns fixed keys: *rsa.PublicKey, *ecdsa.PublicKey and ed25519.PublicKey for asymmetric
// algorithms, or []byte of at least 32 bytes for HS256 and its like. The two kinds cannot be mixed.
// RSA keys need 2048 bits.
func Static(keys ...any) (*Keys, error) {
	k := &Keys{name: "static keys"}
	set := &keySet{}
	shared := 0
	for i, key := range keys {
		if b, ok := key.([]byte); ok {
			shared++
			if len(b) < minSharedKey {
				return nil, fmt.Errorf("jwt: key %d has %d bytes: a shared key needs at least %d", i, len(b), minSharedKey)
			}
		} else if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("jwt: key %d: %w", i, err)
		}
		set.keys = append(set.keys, jose.JSONWebKey{Key: key})
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("jwt: Static without a key")
	case shared > 0 && shared < len(keys):
		return nil, errors.New("jwt: shared and public keys are mixed")
	}
	k.shared = shared > 0
	k.current.Store(set)
	return k, nil
}

func (c KeysConfig) withDefaults() KeysConfig {
	if c.Client == nil {
		c.Client = endpoint.Client(c.AllowHTTP)
	}
	if c.Refresh <= 0 {
		c.Refresh = defaultRefresh
	}
	if c.MinInterval <= 0 {
		c.MinInterval = defaultMinFetch
	}
	if c.MaxStale <= 0 {
		c.MaxStale = defaultMaxStale
	}
	return c
}

// start fetches keys for the first time.
func start(ctx context.Context, name string, load func(context.Context) ([]byte, error), config KeysConfig) (*Keys, error) {
	k := &Keys{name: name, load: load, config: config, tried: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	set, err := k.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("jwt: keys: %w", err)
	}
	k.current.Store(set)
	return k, nil
}

// find returns the keys that may have signed a token: those of its id, or all of the algorithm's
// kind if it has none.
func (k *Keys) find(ctx context.Context, alg, kid string) ([]jose.JSONWebKey, error) {
	set := k.current.Load()
	if k.load == nil {
		return set.of(alg, kid), nil
	}
	now := time.Now()
	found := set.of(alg, kid)
	switch {
	case now.Sub(set.fetched) > k.config.MaxStale:
		if err := k.wait(ctx, now); err != nil {
			return nil, err
		}
		if set = k.current.Load(); now.Sub(set.fetched) > k.config.MaxStale {
			return nil, k.outage(set)
		}
		return set.of(alg, kid), nil
	case len(found) == 0:
		if err := k.wait(ctx, now); err != nil {
			return nil, err
		}
		return k.current.Load().of(alg, kid), nil
	case now.After(set.refresh):
		k.begin(now) // in the background
	}
	return found, nil
}

// renew fetches the keys, unless that was done a moment ago, and reports whether there are others
// now.
func (k *Keys) renew(ctx context.Context) (bool, error) {
	if k.load == nil {
		return false, nil
	}
	before := k.current.Load()
	err := k.wait(ctx, time.Now())
	return k.current.Load() != before, err
}

// outage says that the keys are too old to be used.
func (k *Keys) outage(set *keySet) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return status.Newf(codes.Unavailable, "tokens cannot be verified: their issuer's keys were last fetched at %s",
		set.fetched.UTC().Format(time.RFC3339)).WithCause(k.lastErr).Err()
}

// wait fetches the keys, unless that was done a moment ago, and waits for it.
func (k *Keys) wait(ctx context.Context, now time.Time) error {
	done := k.begin(now)
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin starts a request for the keys, if none runs and the last one was not a moment ago. It
// returns what is closed at its end, or nil.
func (k *Keys) begin(now time.Time) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running != nil {
		return k.running
	}
	if now.Sub(k.tried) < k.config.MinInterval {
		return nil
	}
	k.tried = now
	done := make(chan struct{})
	k.running = done
	go k.run(done)
	return done
}

// run makes one request. It ends with it, at the latest after fetchTimeout.
func (k *Keys) run(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.current.Store(set)
	}
	k.log(err)
	k.lastErr, k.running = err, nil
	close(done)
}

// log says when fetching begins to fail and when it works again. k.mu is held.
func (k *Keys) log(err error) {
	switch {
	case k.config.Logger == nil:
	case err != nil && k.lastErr == nil:
		k.config.Logger.Warn("keys for tokens cannot be fetched; the ones before stay in use for now",
			"from", k.name, "for", k.config.MaxStale, "error", err.Error())
	case err == nil && k.lastErr != nil:
		k.config.Logger.Info("keys for tokens are fetched again", "from", k.name)
	}
}

func (k *Keys) fetch(ctx context.Context) (*keySet, error) {
	text, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	now := time.Now()
	pause := k.config.Refresh - rand.N(k.config.Refresh/10+1) // so that the parts of a fleet do not ask together
	return &keySet{keys: keys, fetched: now, refresh: now.Add(pause)}, nil
}

// parseKeys reads a key set. Keys that are not understood, not for signatures, weak or private are
// left out: "Implementations SHOULD ignore JWKs within a JWK Set that use kty values that are not
// understood" (RFC 7517 §5). A set without a usable key is an error, so that it does not replace a
// good one.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	if len(raw.Keys) > maxKeys {
		return nil, fmt.Errorf("the set has %d keys, more than %d", len(raw.Keys), maxKeys)
	}
	var keys []jose.JSONWebKey
	problem := errors.New("it has none")
	for _, text := range raw.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(text, &key); err != nil {
			problem = err
			continue
		}
		if key.Use != "" && key.Use != "sig" {
			problem = fmt.Errorf("key %.60q is for %.10q, not for signatures", key.KeyID, key.Use)
			continue
		}
		if err := checkKey(key.Key); err != nil {
			problem = fmt.Errorf("key %.60q: %w", key.KeyID, err)
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no usable key in the set: %w", problem)
	}
	return keys, nil
}

// checkKey accepts public keys of sufficient strength.
func checkKey(key any) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSABits {
			return fmt.Errorf("RSA key of %d bits: at least %d are needed", n, minRSABits)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return fmt.Errorf("%T is not a public key for signatures", key)
	}
	return nil
}

// of returns the keys of a set for an algorithm and an id.
func (s *keySet) of(alg, kid string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for i := range s.keys {
		key := &s.keys[i]
		if (kid == "" || key.KeyID == "" || key.KeyID == kid) && (key.Algorithm == "" || key.Algorithm == alg) && fits(key.Key, alg) {
			found = append(found, *key)
		}
	}
	return found
}

// fits reports whether an algorithm is one for keys of this type (RFC 7518 §3.1, RFC 8037 §3.1).
func fits(key any, alg string) bool {
	switch key := key.(type) {
	case []byte:
		return alg[:2] == "HS"
	case *rsa.PublicKey:
		return alg[:2] == "RS" || alg[:2] == "PS"
	case ed25519.PublicKey:
		return alg == "EdDSA"
	case *ecdsa.PublicKey:
		return alg == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[key.Curve.Params().BitSize]
	}
	return false
}
