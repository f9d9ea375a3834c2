// Package nethttp carries calls over requests that net/http's server has accepted: the contract of
// package transport over an http.ResponseWriter and an http.Request, on HTTP/2 and HTTP/1.1.
// Connections, their TLS, frames and floods are net/http's; messages, memory and calls are this
// side's.
//
// # Goroutines
//
//   - The goroutine that net/http calls [Server.ServeHTTP] on writes the response. It returns when
//     the response has been written or the stream is over, and nothing of the request is used after.
//   - Reader: one for a request with a body, started by ServeHTTP, which waits for its end. It ends
//     with the body, or is interrupted when the response is complete.
//   - A timer a connection, while a message waits for memory of the connection.
//
// # Locks
//
// stream.deliver, held while a sink is called, before Conn.mu; Server.mu and Memory.mu before
// Conn.mu. stream.control is taken under none but deliver, and Conn.mu is not taken under it. No
// method of a stream takes deliver, so that a sink may use its stream.
package nethttp
