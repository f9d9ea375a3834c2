package serviceconfig

// Config is a service config. Immutable once given to a client.
type Config struct {
	// Policy is the balancing policy; nil: the client's.
	Policy Policy
}

// Policy is the configuration of a balancing policy. Those a client can use are balancer.Policy
// values; the package does not depend on balancers, so that a config can be read without them.
type Policy interface {
	// Name is the policy's name in loadBalancingConfig: "round_robin".
	Name() string
}
