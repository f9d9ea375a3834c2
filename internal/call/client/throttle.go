package client

import "sync/atomic"

// A Throttle is the retry budget of gRFC A6 ("Throttling Retry Attempts and Hedged RPCs"): a count
// of tokens that begins at its maximum, loses one with every attempt that failed for a retryable
// reason or was told not to come again, and gains a little with every success. Below half nothing
// is retried or hedged. A nil Throttle allows all. Safe for concurrent use.
type Throttle struct {
	// immutable; in thousandths: gRFC A6 lets three decimal places count.
	max, ratio int64
	// atomic
	tokens atomic.Int64
}

const oneToken = 1000

// maxThrottle bounds both numbers, so that their sums fit; gRFC A6 ends maxTokens at 1000.
const maxThrottle = 1e6

// NewThrottle returns a full budget. Numbers beyond 1,000,000 are taken for that.
func NewThrottle(maxTokens, tokenRatio float64) *Throttle {
	t := &Throttle{
		max:   int64(min(max(maxTokens, 0), maxThrottle) * oneToken),
		ratio: int64(min(max(tokenRatio, 0), maxThrottle) * oneToken),
	}
	t.tokens.Store(t.max)
	return t
}

// Allow reports whether another attempt may be made: "If token_count is less than or equal to the
// threshold, defined to be (maxTokens / 2), then RPCs will not be retried until token_count rises
// over the threshold."
func (t *Throttle) Allow() bool { return t == nil || t.tokens.Load() > t.max/2 }

// Failure takes a token and reports whether another attempt may be made.
func (t *Throttle) Failure() bool {
	if t == nil {
		return true
	}
	return t.add(-oneToken) > t.max/2
}

// Success returns a part of a token.
func (t *Throttle) Success() {
	if t != nil && t.tokens.Load() < t.max { // full is the common case, and costs no write
		t.add(t.ratio)
	}
}

func (t *Throttle) add(n int64) int64 {
	for {
		old := t.tokens.Load()
		now := min(max(old+n, 0), t.max)
		if t.tokens.CompareAndSwap(old, now) {
			return now
		}
	}
}
