// Package header checks decoded field sections against RFC 9113 §8.2 and §8.3.
//
// It is pure and keeps nothing: results share the strings, and the slice, of their input.
// All failures are malformed messages, which are stream errors of type PROTOCOL_ERROR
// (RFC 9113 §8.1.1); see [Error].
//
// What gRPC asks of a request beyond HTTP/2 is not checked here.
package header
