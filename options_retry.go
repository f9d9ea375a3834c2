package naru

import (
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/serviceconfig"
)

// maxCallAttempts bounds what a call's own policy may ask for, as gRFC A6 bounds a service
// config's.
const maxCallAttempts = 10

// WithRetry repeats the call by this policy (gRFC A6) in place of what the service config says:
// only where an attempt failed before the response's header came, and only for the codes named. The
// policy must make sense as a service config's must; more than 10 attempts are taken for 10.
// Without any policy, methods whose idempotency_level is NO_SIDE_EFFECTS or IDEMPOTENT are tried up
// to 4 times when UNAVAILABLE (unary ones also if the connection breaks in the middle of the
// response, of which a unary call shows nothing before its end), others once. Those repetitions are
// bounded by the service config's retryThrottling, or, without one, by a budget of 10 tokens for
// the client, of which an UNAVAILABLE from a server takes one and a success returns a tenth: below
// half of it nothing is repeated. Attempts that no server has looked at are repeated in any case.
func WithRetry(p serviceconfig.RetryPolicy) CallOption {
	policy := &client.RetryPolicy{
		MaxAttempts:           min(p.MaxAttempts, maxCallAttempts),
		InitialBackoff:        p.InitialBackoff,
		MaxBackoff:            p.MaxBackoff,
		BackoffMultiplier:     p.BackoffMultiplier,
		Retryable:             client.Codes(p.RetryableStatusCodes...),
		PerAttemptRecvTimeout: p.PerAttemptRecvTimeout,
	}
	return callOption(func(c *callConfig) {
		switch {
		case p.MaxAttempts < 2:
			c.bad("WithRetry: MaxAttempts is %d, want at least 2", p.MaxAttempts)
		case p.InitialBackoff <= 0 || p.MaxBackoff <= 0 || !(p.BackoffMultiplier > 0): // NaN is not
			c.bad("WithRetry: backoff of %v to %v times %v: all must be positive", p.InitialBackoff, p.MaxBackoff, p.BackoffMultiplier)
		case policy.Retryable == 0 && p.PerAttemptRecvTimeout <= 0:
			c.bad("WithRetry: no codes are retryable")
		}
		c.Retry = client.RetryChoice{Policy: policy}
	})
}

// WithHedging sends the call to further servers before the first has answered, by this policy (gRFC
// A6), and takes the first answer: for methods that may be executed more than once. The policy must
// make sense as a service config's must; more than 10 attempts are taken for 10. Streams are hedged
// until a response's header is there, or more than 64 KiB was sent: NewStream returns at once, and
// RecvMsg and Header wait for the first answer.
func WithHedging(p serviceconfig.HedgingPolicy) CallOption {
	policy := &client.HedgingPolicy{
		MaxAttempts: min(p.MaxAttempts, maxCallAttempts),
		Delay:       p.HedgingDelay,
		NonFatal:    client.Codes(p.NonFatalStatusCodes...),
	}
	return callOption(func(c *callConfig) {
		if p.MaxAttempts < 2 || p.HedgingDelay < 0 {
			c.bad("WithHedging: %d attempts, delay %v: want at least 2 and no negative delay", p.MaxAttempts, p.HedgingDelay)
		}
		c.Retry = client.RetryChoice{Hedging: policy}
	})
}

// WithoutRetry sends the call once, whatever the service config says and the method allows.
// Attempts that no server has looked at are repeated nevertheless, since they were not the call.
func WithoutRetry() CallOption {
	return callOption(func(c *callConfig) { c.Retry = client.RetryChoice{Never: true} })
}
