// Package outside runs other projects' test suites and programs against naru: connectrpc's
// conformance suite, h2spec, grpc-go's interop client and server, and grpcurl. It builds both
// sides, runs them over loopback, reads what they report and adds it up in one table.
//
// Nothing here knows a failure that is to be expected: a case that fails is counted as failed.
//
// Goroutines: one per started server process, waiting for its end; Process.Stop waits for it.
package outside
