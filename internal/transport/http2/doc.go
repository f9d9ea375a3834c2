// Package http2 runs HTTP/2 connections: it is the only place that owns a net.Conn, a
// goroutine or a timer on behalf of one. The protocol itself is in internal/h2.
//
// # Goroutines
//
//   - Read loop: one a connection, started by [ServeConn] or [NewClientConn]; ends when the
//     connection does, and is the only caller of sinks and of teardown. Done is closed by it.
//   - Writer: at most one at a time, started when somebody has queued bytes that it should not
//     or could not write itself (write.go); ends as soon as the out-buffer is empty. The
//     read loop waits for it in teardown.
//   - Timers (time.AfterFunc): keepalive, graceful drain, age. Each is stopped in teardown.
//   - memory's timer, one for all connections of a server, which runs only while one of them waits for
//     memory; memory.serve, started when some came free, ends when nobody can be served.
//
// # Locks
//
// conn.mu guards the protocol state (h2.Conn) and everything marked so in conn. It is held for
// appending frames and never while writing, reading, or calling a sink. Below it
// is only memory.mu, a leaf.
//
// # Ways a connection ends
//
// Whoever finds a reason calls conn.fail, which notes the first reason and wakes the read loop;
// the read loop ends every stream with it, tells the peer (GOAWAY), and closes the socket.
package http2
