package call

import (
	"time"

	"github.com/naru-rpc/naru/codes"
)

// A MethodConfig is what a service config says of a method (gRFC A6, service_config.md). Values set
// by the call's own options win over it, except that the earlier deadline and the smaller size hold.
type MethodConfig struct {
	// Timeout bounds the whole call. 0: none.
	Timeout time.Duration
	// WaitForReady is the default of calls that do not say; nil: false.
	WaitForReady *bool
	// MaxRequestBytes and MaxResponseBytes bound one message. 0: not set.
	MaxRequestBytes, MaxResponseBytes int
	// Retry and Hedging exclude each other; both nil: transparent retries only.
	Retry   *RetryPolicy
	Hedging *HedgingPolicy
}

// CodeSet is a set of status codes.
type CodeSet uint32

// Codes returns the set of the codes given. Codes above 31 cannot be members.
func Codes(cs ...codes.Code) CodeSet {
	var s CodeSet
	for _, c := range cs {
		if c < 32 {
			s |= 1 << c
		}
	}
	return s
}

// Has tells whether c is in the set.
func (s CodeSet) Has(c codes.Code) bool { return c < 32 && s&(1<<c) != 0 }

// A RetryPolicy repeats failed attempts one after another (gRFC A6, retryPolicy). Immutable in use.
type RetryPolicy struct {
	// MaxAttempts counts the first one; at least 2.
	MaxAttempts int
	// Backoff before attempt n+1 is uniform in +-20 % of min(Initial * Multiplier^(n-1), Max).
	InitialBackoff, MaxBackoff time.Duration
	BackoffMultiplier          float64
	// Retryable are the codes another attempt is made for.
	Retryable CodeSet
	// PerAttemptTimeout ends an attempt that has no response head by then, and counts as
	// DEADLINE_EXCEEDED of the attempt alone. 0: none.
	PerAttemptTimeout time.Duration
}

// A HedgingPolicy starts further attempts before the first has failed (gRFC A6, hedgingPolicy).
// Immutable in use.
type HedgingPolicy struct {
	// MaxAttempts counts the first one; at least 2.
	MaxAttempts int
	// Delay between the starts of attempts. 0: all at once.
	Delay time.Duration
	// NonFatal are the codes after which the next attempt starts at once; any other ends the call.
	NonFatal CodeSet
}
