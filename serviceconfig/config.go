package serviceconfig

import (
	"time"

	"github.com/naru-rpc/naru/codes"
)

// Config is a service config. Fields and their types have the names that the keys of the JSON form
// have. Immutable once given to a client.
type Config struct {
	// LoadBalancingConfig is the balancing policy, of the JSON's list the first that is known; nil:
	// the client's.
	LoadBalancingConfig Policy
	// MethodConfig holds the settings of methods. A method is named once at most.
	MethodConfig []MethodConfig
	// RetryThrottling is the budget of retries and hedges; nil: none.
	RetryThrottling *RetryThrottling
	// HealthCheckConfig turns client-side health checking on (gRFC A17); nil: no health checking.
	HealthCheckConfig *HealthCheckConfig
	// ConnectionScaling bounds the connections to one address (gRFC A105); nil: the client's
	// setting.
	ConnectionScaling *ConnectionScaling
}

// HealthCheckConfig says which service's health decides whether a connection is used.
type HealthCheckConfig struct {
	// ServiceName is the service that is watched. "" is the server as a whole.
	ServiceName string
}

// ConnectionScaling says how many connections a client may have to one address.
type ConnectionScaling struct {
	// MaxConnectionsPerSubchannel is how many the peer's limit of concurrent streams may call for.
	// 0: the client's setting (WithConnectionScaling), which also bounds it; negative is an error.
	MaxConnectionsPerSubchannel int
}

// Policy is the configuration of a balancing policy. Those a client can use are balancer.Policy
// values; the package does not depend on balancers, so that a config can be read without them.
type Policy interface {
	// Name is the policy's name in loadBalancingConfig: "round_robin".
	Name() string
}

// MethodConfig holds the settings of one or more methods. What a call's own options say wins over
// it, except that the earlier deadline and the smaller size hold.
type MethodConfig struct {
	// Name has the methods it is for. At least one.
	Name []Name
	// WaitForReady is for calls that do not say themselves; nil: false.
	WaitForReady *bool
	// Timeout bounds a call, retries included. 0: none; negative is an error.
	Timeout time.Duration
	// MaxRequestMessageBytes and MaxResponseMessageBytes bound one message. 0: the client's limits;
	// negative is an error.
	MaxRequestMessageBytes, MaxResponseMessageBytes int
	// RetryPolicy repeats failed attempts; nil: no. Not together with HedgingPolicy.
	RetryPolicy *RetryPolicy
	// HedgingPolicy sends further attempts before the first has failed; nil: no. Not together with
	// RetryPolicy.
	HedgingPolicy *HedgingPolicy
}

// Name names a method, all methods of a service (Method is ""), or all methods of all services
// (both are ""). The most specific name wins.
type Name struct {
	// Service is the full name: "package.Service".
	Service string
	// Method is the name on the wire, without the service.
	Method string
}

// RetryPolicy repeats failed attempts one after another (gRFC A6).
type RetryPolicy struct {
	// MaxAttempts counts the first one; at least 2. The client bounds it (Limits.MaxAttempts, 5).
	MaxAttempts int
	// InitialBackoff is the mean wait before the second attempt, MaxBackoff the longest mean wait.
	// Both > 0.
	InitialBackoff, MaxBackoff time.Duration
	// BackoffMultiplier is the factor from one wait to the next; > 0.
	BackoffMultiplier float64
	// RetryableStatusCodes are the statuses another attempt is made for. Not empty.
	RetryableStatusCodes []codes.Code
	// PerAttemptRecvTimeout ends an attempt that has brought no response by then
	// (perAttemptRecvTimeout). 0: none.
	PerAttemptRecvTimeout time.Duration
}

// HedgingPolicy starts further attempts before the first has failed; the first good response wins
// (gRFC A6).
type HedgingPolicy struct {
	// MaxAttempts counts the first one; at least 2. The client bounds it (Limits.MaxAttempts, 5).
	MaxAttempts int
	// HedgingDelay is the time between the starts of two attempts. 0: all at once.
	HedgingDelay time.Duration
	// NonFatalStatusCodes are the statuses that let the other attempts go on. With any other the
	// call ends.
	NonFatalStatusCodes []codes.Code
}

// RetryThrottling stops retries and hedges while too many calls fail (gRFC A6): a count of tokens
// begins at MaxTokens, loses one with each failure, gains TokenRatio with each success, and must be
// above half.
type RetryThrottling struct {
	// MaxTokens in (0, 1000].
	MaxTokens float64
	// TokenRatio > 0. Three decimal places count.
	TokenRatio float64
}
