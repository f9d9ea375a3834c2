// Package webcall makes calls of gRPC of requests in gRPC-Web and Connect: it stands between a
// request's stream and its call, and translates head, body and end in both directions. It decides
// nothing about a call. It starts no goroutine. Locks: exchange.mu is a leaf.
package webcall
