package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"sync"
	"time"
)

// CacheConfig configures Cached. Zero values mean the defaults.
type CacheConfig struct {
	// MaxAge is how long a caller is known after it was verified, and so the time for which a
	// revocation has no effect; default 1 minute. A caller whose Expiry is earlier is verified
	// again then.
	MaxAge time.Duration
	// MaxCallers bounds the callers that are known; default 10,000. When there are more, those
	// verified longest ago go first.
	MaxCallers int
}

// Cached returns a verifier that remembers whom v accepted, so that costly checks - a signature, a
// password hash, a question to another server - are made once per MaxAge and not with each call.
// Refusals are not remembered. Requests without an authorization header are passed to v. v must
// decide by the authorization header alone: a later call with the same header has the same caller,
// whatever its method and peer.
//
// Credentials are not kept: callers are found by a keyed hash of them, whose key is random.
func Cached(v Verifier, config CacheConfig) Verifier {
	if config.MaxAge <= 0 {
		config.MaxAge = time.Minute
	}
	if config.MaxCallers <= 0 {
		config.MaxCallers = 10_000
	}
	c := &cached{Verifier: v, maxAge: config.MaxAge, half: max(config.MaxCallers/2, 1)}
	c.young = make(map[cacheKey]known)
	key := make([]byte, sha256.Size)
	rand.Read(key)
	c.hashes.New = func() any { return &keyed{Hash: hmac.New(sha256.New, key)} }
	return c
}

type cacheKey = [sha256.Size]byte

type known struct {
	caller *Caller
	until  time.Time
}

// cached keeps callers in two generations: the old one is dropped when the young one is half full.
type cached struct {
	Verifier
	maxAge time.Duration
	half   int
	hashes sync.Pool // of *keyed

	mu         sync.RWMutex
	young, old map[cacheKey]known
}

// keyed is a hash with room for its input and result, so that a call allocates nothing for it.
type keyed struct {
	hash.Hash
	in  []byte
	sum cacheKey
}

func (c *cached) Verify(ctx context.Context, r Request) (*Caller, error) {
	if r.Scheme == "" {
		return c.Verifier.Verify(ctx, r)
	}
	key := c.keyOf(r)
	now := time.Now()
	c.mu.RLock()
	k, ok := c.young[key]
	if !ok {
		k, ok = c.old[key]
	}
	c.mu.RUnlock()
	if ok && now.Before(k.until) {
		return k.caller, nil
	}
	caller, err := c.Verifier.Verify(ctx, r)
	if err == nil && caller != nil {
		c.keep(key, caller, now)
	}
	return caller, err
}

func (c *cached) keep(key cacheKey, caller *Caller, now time.Time) {
	until := now.Add(c.maxAge)
	if !caller.Expiry.IsZero() && caller.Expiry.Before(until) {
		until = caller.Expiry
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[cacheKey]known, c.half)
	}
	c.young[key] = known{caller, until}
}

// keyOf returns the keyed hash of a request's credentials.
func (c *cached) keyOf(r Request) cacheKey {
	k := c.hashes.Get().(*keyed)
	k.Reset()
	k.in = append(append(append(k.in[:0], r.Scheme...), ' '), r.Credentials...)
	k.Write(k.in)
	k.Sum(k.sum[:0])
	sum := k.sum
	clear(k.in)
	c.hashes.Put(k)
	return sum
}
