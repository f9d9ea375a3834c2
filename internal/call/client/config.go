package client

import (
	"time"

	"github.com/naru-rpc/naru/codes"
)

// A MethodConfig is what a service config says of a method (gRFC A6, service_config.md). Values set
// by the call's own options win over it, except that the earlier deadline and the smaller size
// hold.
type MethodConfig struct {
	// Timeout bounds the whole call. 0: none.
	Timeout time.Duration
	// WaitForReady is the default of calls that do not say; nil: false.
	WaitForReady *bool
	// MaxRequestMessageBytes and MaxResponseMessageBytes bound one message. 0: not set.
	MaxRequestMessageBytes, MaxResponseMessageBytes int
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

// Has reports whether c is in the set.
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
	// PerAttemptRecvTimeout ends an attempt that has no response head by then, and counts as
	// DEADLINE_EXCEEDED of the attempt alone. 0: none.
	PerAttemptRecvTimeout time.Duration
}

// idempotentRetry holds for methods whose idempotency_level allows it where neither the service
// config nor the call says otherwise: enough for a server that restarts, too little to make an
// outage worse. As nothing but the method speaks here, it goes beyond what gRFC A6 allows a service
// config, see unseen.
var idempotentRetry = &RetryPolicy{
	MaxAttempts:       4,
	InitialBackoff:    25 * time.Millisecond,
	MaxBackoff:        time.Second,
	BackoffMultiplier: 2,
	Retryable:         Codes(codes.Unavailable),
}

// retryPolicy is the policy that holds for the call, nil for none.
func (c *call) retryPolicy() *RetryPolicy {
	switch r := &c.set.Retry; {
	case r.Never || r.Hedging != nil:
		return nil
	case r.Policy != nil:
		return r.Policy
	}
	if c.config != nil && (c.config.Retry != nil || c.config.Hedging != nil) {
		return c.config.Retry
	}
	if c.method.Idempotent {
		return idempotentRetry
	}
	return nil
}

// hedgingPolicy is the policy that holds for the call, nil for none.
func (c *call) hedgingPolicy() *HedgingPolicy {
	switch r := &c.set.Retry; {
	case r.Hedging != nil:
		return r.Hedging
	case r.Never || r.Policy != nil || c.config == nil:
		return nil
	}
	return c.config.Hedging
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
