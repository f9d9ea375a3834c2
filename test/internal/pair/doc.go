// Package pair runs one service on naru and on grpc-go and calls it with a client of either, in
// terms that neither stack has for itself: a handler is written once and a call is described once,
// so that the same row of a table runs on every combination of client, server and transport.
//
// Known limitation: messages are strings, and metadata values are text.
package pair
