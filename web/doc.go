// Package web lets browsers and plain HTTP clients call the services of a naru server, in the
// protocols gRPC-Web (binary and text) and Connect (unary, GET and streams). naru.WithWeb switches
// it on.
//
// A request of these protocols becomes a call of gRPC: its head and body are translated on the way
// in, and the response's head, messages and status on the way out. So its authenticator,
// interceptors, limits, deadlines and counters are the same as those of any call.
package web
