// Package serviceconfig holds what a service says of how it wants to be called: timeouts, retries,
// hedging, message limits, balancing and health checking (service_config.md of gRPC).
//
// A config is written as Go values:
//
//	&serviceconfig.Config{
//		LoadBalancingConfig: balancer.RoundRobin{},
//		MethodConfig: []serviceconfig.MethodConfig{{
//			Name: []serviceconfig.Name{{Service: "ecommerce.ProductInfo", Method: "getProduct"}},
//			RetryPolicy: &serviceconfig.RetryPolicy{
//				MaxAttempts: 4, InitialBackoff: 100 * time.Millisecond, MaxBackoff: time.Second,
//				BackoffMultiplier: 2, RetryableStatusCodes: []codes.Code{codes.Unavailable},
//			},
//		}},
//	}
//
// or as gRPC's JSON, read by [Parse]. Both are checked as a whole before they are used, and every
// mistake is told with its place:
//
//	methodConfig[0].retryPolicy.maxAttempts: 1 is less than 2
//	methodConfig[0].retrypolicy: unknown key; did you mean "retryPolicy"?
//	retryPolicy: unknown key; it belongs into methodConfig[]
package serviceconfig
