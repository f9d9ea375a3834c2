// Package serviceconfig holds what a service says of how it wants to be called: timeouts, retries,
// hedging, message limits, balancing and health checking (service_config.md of gRPC).
package serviceconfig
