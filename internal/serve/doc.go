// Package serve is the server below its public face: listeners, connections, dispatch of calls
// to workers, and the way to a quiet end.
//
// # Goroutines
//
//   - Serve runs the accept loop on its caller's goroutine.
//   - Workers (workers.go) are started when calls come and no parked one is left. Idle ones end
//     within two trimIntervals, at the latest when the server has shut down.
//   - A connection's own goroutines belong to its transport.
//   - HTTP/1.1 connections, if an http.Handler is set, are net/http's (http1.go), and
//     so are those of requests that come through ServeHTTP, see package nethttp.
//
// # Locks
//
// Server.mu before admission.mu before workers.mu. None is held while a handler, or a method of a
// transport, is called. A transport calls connection.Backlog with its own lock held, so that
// admission.mu and workers.mu come after the locks of transports.
package serve
