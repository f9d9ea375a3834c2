// Package serve is the server below its public face: listeners, connections, dispatch of calls
// to workers, and the way to a quiet end.
//
// # Goroutines
//
//   - Serve runs the accept loop on its caller's goroutine.
//   - Workers (workers.go) are started when calls come and no parked one is left; idle ones leave
//     after trimInterval, at the latest when the server has shut down.
//   - A connection's own goroutines belong to its transport.
//   - HTTP/1.1 connections, if an http.Handler is set, are net/http's (http1.go), and
//     so are those of requests that come through ServeHTTP, see package nethttp.
//
// # Locks
//
// Server.mu before connection.mu before admission.mu before workers.mu. None is held while a handler, a transport or a
// call is called into, except that a transport's Drain and Close do not block and may be called
// under none of them either.
package serve
