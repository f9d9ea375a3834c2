package credentials

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A Token is an access token.
type Token struct {
	// Value is the token. It must consist of the characters RFC 6750 §2.1 allows.
	Value string
	// Type is the scheme of the authorization header. "" means "Bearer".
	Type string
	// Expiry is when the token ends. The zero time means that it does not, and is replaced only
	// after Refresh.
	Expiry time.Time
}

// String keeps the secret out of logs.
func (Token) String() string { return "credentials.Token[redacted]" }

// GoString is String.
func (Token) GoString() string { return "credentials.Token[redacted]" }

const (
	// fetchTimeout bounds one request for a token, since no caller's context does.
	fetchTimeout = 30 * time.Second
	// minFetchInterval is the least time between two requests for a token. After failures it
	// doubles up to maxFetchInterval.
	minFetchInterval = time.Second
	maxFetchInterval = time.Minute
	// maxAhead is how long before its expiry a token is replaced at the earliest: long enough for
	// several failures.
	maxAhead = 10 * time.Minute
	// maxSkew is how long before its expiry a token is no longer sent: the call has to travel, and
	// clocks differ.
	maxSkew = 10 * time.Second
)

// A Refresher is credentials that can be replaced when a server refuses them: what NewTokens and
// BearerFile return. middleware.RetryUnauthenticated repeats calls with it.
type Refresher interface {
	PerRPC

	// Refresh is told that a server refused header, an authorization header that GetRequestMetadata
	// returned, and reports whether the next GetRequestMetadata may return another one.
	Refresh(header string) bool
}

// NewTokens returns credentials that ask source for a token, keep it, and replace it before it
// expires. They are not sent without TLS (AllowPlaintext). name says in errors where the tokens
// come from, such as a URL; it must not hold a secret.
//
// source is asked by the first call, and then in the background once a fifth to a third of the
// token's life is left (at most ten minutes), while calls go on with the token they have. It is
// asked once however many calls wait, and a call that ends while it waits does not end the request
// for the others. Requests are at least a second apart, up to a minute after failures; while there
// is no valid token, calls in between fail with the last error: with the status it carries,
// otherwise with UNAUTHENTICATED. Nothing of such a call was sent, so that it may be repeated.
//
// The context of source ends after 30 seconds. A goroutine runs while source does, and only then.
func NewTokens(name string, source func(ctx context.Context) (Token, error)) *Tokens {
	return &Tokens{name: name, source: source}
}

// Tokens are credentials of a token that is fetched and replaced when needed: see NewTokens. They
// are safe for concurrent use, and one value is meant for all clients that use the same token.
type Tokens struct {
	name   string
	source func(ctx context.Context) (Token, error)

	current atomic.Pointer[heldToken] // nil: none yet, or refused

	// guarded by mu
	mu      sync.Mutex
	fetch   *fetch    // the one that runs
	lastErr error     // of the last fetch, nil if it succeeded
	fails   int       // in a row
	next    time.Time // before it no fetch is begun
}

// heldToken is a token and what is derived from it. It is immutable.
type heldToken struct {
	pairs     map[string]string
	refreshAt time.Time // zero: never
	endsAt    time.Time // zero: never
}

// fetch is one request for a token. done is closed, without a value ever sent, once the result is
// set.
type fetch struct {
	done  chan struct{}
	token *heldToken
	err   error
}

// GetRequestMetadata returns the authorization header: see PerRPC. It waits while there is no valid
// token. The map must not be changed.
func (t *Tokens) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	now := time.Now()
	held := t.current.Load()
	if held != nil && (held.refreshAt.IsZero() || now.Before(held.refreshAt)) {
		return held.pairs, nil
	}
	f, err := t.begin(now)
	if held != nil && now.Before(held.endsAt) {
		return held.pairs, nil // the fetch, if there is one, runs in the background
	}
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a token from %s: %w", t.name, context.Cause(ctx))
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.token.pairs, nil
}

// RequireTransportSecurity returns true.
func (t *Tokens) RequireTransportSecurity() bool { return true }

// String says where the tokens come from.
func (t *Tokens) String() string { return "credentials.Tokens(" + t.name + ")" }

// Refresh drops the token in use if header is its header, so that the next call asks for another:
// for a server that refused it before its time, as after a revocation. It reports false, and drops
// nothing, within a second of the last request for a token, so that a server that refuses every
// token does not cause a flood of requests.
func (t *Tokens) Refresh(header string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := t.current.Load()
	if held == nil || held.pairs["authorization"] != header {
		return true // replaced, or dropped by another call
	}
	if time.Now().Before(t.next) {
		return false
	}
	t.current.Store(nil)
	return true
}

// begin returns the fetch that runs, and starts one if none does. It fails with the last error if
// it is too early for another.
func (t *Tokens) begin(now time.Time) (*fetch, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fetch != nil {
		return t.fetch, nil
	}
	if held := t.current.Load(); held != nil && (held.refreshAt.IsZero() || now.Before(held.refreshAt)) {
		f := &fetch{done: make(chan struct{}), token: held} // fetched since the caller looked
		close(f.done)
		return f, nil
	}
	if t.lastErr != nil && now.Before(t.next) {
		return nil, t.lastErr
	}
	t.fetch = &fetch{done: make(chan struct{})}
	go t.run(t.fetch)
	return t.fetch, nil
}

// run asks the source once.
func (t *Tokens) run(f *fetch) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	begun := time.Now()
	token, err := t.ask(ctx)
	if err == nil {
		f.token, err = hold(token, begun, time.Now())
	}
	if err != nil {
		f.err = fmt.Errorf("no token from %s: %w", t.name, err)
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.fetch, t.lastErr = nil, f.err
	if f.err == nil {
		t.fails = 0
		t.next = now.Add(minFetchInterval)
		t.current.Store(f.token)
	} else {
		t.next = now.Add(fetchPause(t.fails))
		t.fails++
	}
	close(f.done)
}

// ask calls the source. A panic there would end the program on a goroutine that no caller can
// guard.
func (t *Tokens) ask(ctx context.Context) (token Token, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return t.source(ctx)
}

// fetchPause returns how long to wait after a failure that followed fails others.
func fetchPause(fails int) time.Duration {
	pause := min(minFetchInterval<<min(fails, 10), maxFetchInterval)
	return pause - rand.N(pause/5) // so that the parts of a fleet that failed together do not ask together
}

// hold checks a token and settles when it is replaced.
func hold(token Token, begun, now time.Time) (*heldToken, error) {
	if err := checkToken(token.Value); err != nil {
		return nil, err
	}
	scheme := token.Type
	if scheme == "" {
		scheme = "Bearer"
	}
	if err := checkScheme(scheme); err != nil {
		return nil, err
	}
	held := &heldToken{pairs: map[string]string{"authorization": scheme + " " + token.Value}}
	if token.Expiry.IsZero() {
		return held, nil
	}
	life := token.Expiry.Sub(begun)
	if !now.Before(token.Expiry) {
		return nil, fmt.Errorf("the token expired at %s, which is in the past (clock?)", token.Expiry.Format(time.RFC3339))
	}
	held.endsAt = token.Expiry.Add(-min(maxSkew, life/10))
	ahead := min(life/5, maxAhead/2)
	ahead += rand.N(ahead*2/3 + 1) // jitter: a fifth to a third of its life, at most maxAhead
	held.refreshAt = token.Expiry.Add(-max(ahead, min(maxSkew, life/10)))
	return held, nil
}

// checkScheme: auth-scheme = token (RFC 9110 §11.1).
func checkScheme(scheme string) error {
	for i := 0; i < len(scheme); i++ {
		c := scheme[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return fmt.Errorf("token type %.40q is not an authorization scheme", scheme)
		}
	}
	return nil
}
