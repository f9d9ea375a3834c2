package connectivity

import (
	"fmt"
	"math"
	"time"
)

// Backoff says how long to wait between attempts that fail (connection-backoff.md of gRPC).
// The zero value means the defaults.
type Backoff struct {
	// BaseDelay is the wait after the first failure. 0: 1 s.
	BaseDelay time.Duration
	// Multiplier is the factor from one wait to the next, at least 1. 0: 1.6.
	Multiplier float64
	// Jitter is the random part of a wait, in [0, 1): each is scaled by a factor of 1 ± Jitter.
	// 0: 0.2. Negative: none.
	Jitter float64
	// MaxDelay bounds the waits before jitter. 0: 120 s.
	MaxDelay time.Duration
}

// DefaultBackoff holds the values of connection-backoff.md.
var DefaultBackoff = Backoff{BaseDelay: time.Second, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 120 * time.Second}

// WithDefaults returns b with the default in place of each field that is zero.
func (b Backoff) WithDefaults() Backoff {
	if b.BaseDelay == 0 {
		b.BaseDelay = DefaultBackoff.BaseDelay
	}
	if b.Multiplier == 0 {
		b.Multiplier = DefaultBackoff.Multiplier
	}
	if b.Jitter == 0 {
		b.Jitter = DefaultBackoff.Jitter
	}
	if b.MaxDelay == 0 {
		b.MaxDelay = DefaultBackoff.MaxDelay
	}
	return b
}

// Validate names every field that makes no sense.
func (b Backoff) Validate() error {
	b = b.WithDefaults()
	switch {
	case b.BaseDelay < 0:
		return fmt.Errorf("backoff: BaseDelay %v is negative", b.BaseDelay)
	case b.Multiplier < 1 || math.IsNaN(b.Multiplier) || math.IsInf(b.Multiplier, 0):
		return fmt.Errorf("backoff: Multiplier %v is not a number from 1 up", b.Multiplier)
	case b.Jitter >= 1 || math.IsNaN(b.Jitter):
		return fmt.Errorf("backoff: Jitter %v is not below 1", b.Jitter)
	case b.MaxDelay < b.BaseDelay:
		return fmt.Errorf("backoff: MaxDelay %v is below BaseDelay %v", b.MaxDelay, b.BaseDelay)
	}
	return nil
}

// Delay returns the wait after the nth failure in a row, counted from 0. unit is a random number in
// [0, 1) for the jitter; an argument, so that the result can be tested.
func (b Backoff) Delay(n int, unit float64) time.Duration {
	b = b.WithDefaults()
	// float64 holds the product without overflow up to n of several hundred; past that it is +Inf
	// and the minimum takes over.
	d := math.Min(float64(b.BaseDelay)*math.Pow(b.Multiplier, float64(n)), float64(b.MaxDelay))
	if b.Jitter > 0 {
		d *= 1 + b.Jitter*(2*unit-1)
	}
	// Jitter may lift the longest waits beyond what a Duration holds.
	return time.Duration(min(d, maxDelay))
}

// maxDelay is the largest float64 that a Duration holds.
const maxDelay = float64(math.MaxInt64 - 1023)
