// Package channel holds tests of the client channel against real servers, naru's and grpc-go's, on
// real sockets: rolling restarts, scaling, slow and failing backends, stream limits, connections
// that age, and what is left behind by thousands of short-lived clients.
//
// Run with -args -long to let each take the minute it is meant to take.
package channel
