// Package http2 runs HTTP/2 connections: it is the only place that owns a net.Conn, a
// goroutine or a timer on behalf of one. The protocol itself is in internal/h2.
//
// # Goroutines
//
//   - Read loop: one for each connection, started by [ServeConn] or [NewClientConn]. A connection
//     that has been idle for a while continues on a new goroutine (deadline.go). It is the only
//     caller of sinks and of teardown, ends with the connection, and closes Done.
//   - Writer: at most one at a time, started when there are queued bytes that the goroutine which
//     queued them should not or could not write (flush.go). It ends when the out-buffer is empty.
//     Teardown waits for it.
//   - Timers (time.AfterFunc): keepalive, drain, age, stalled responses, messages that wait for
//     memory. Teardown stops them; a function that runs by then finds that the connection has
//     ended.
//
// # Locks
//
// conn.mu guards the protocol state (h2.Conn) and the fields of conn that are marked so. It is held
// while frames are appended, and never while the connection is written, read, or closed, or a sink
// is called. memory.mu is locked before conn.mu; spillConn.mu is a leaf.
//
// # Ways a connection ends
//
// Any goroutine that finds a reason calls conn.fail, which keeps the first reason and wakes the
// read loop; the read loop ends every stream with it, tells the peer (GOAWAY), and closes the
// socket.
package http2
