// Package conformance is naru as connectrpc's conformance suite wants to see it: a server of
// connectrpc.conformance.v1.ConformanceService, a client that makes the calls the suite describes,
// and the size-prefixed messages both speak with the suite on their standard input and output.
//
// The suite: https://github.com/connectrpc/conformance, docs/testing_servers.md and
// docs/testing_clients.md.
package conformance
