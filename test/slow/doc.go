// Package slow measures what an honest client gets from a server beside clients that are slow or
// wait: slow uploads and downloads, handlers that do not receive, a proxy's connection that many
// share. Each row is measured with this project's server and with grpc-go's, in the same run with
// the same clients.
//
// In go test each row lasts a moment, on this project's server alone, and only what must hold
// anywhere is asserted; with -beside 2s, as make beside does, grpc-go's is measured too and the
// bounds on time hold.
package slow
