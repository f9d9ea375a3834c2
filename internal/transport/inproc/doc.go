// Package inproc connects a client and a server in one process: the contract of package
// transport without sockets and without HTTP/2. What one side sends is handed to the other
// side's sink on the sending goroutine; bytes not yet consumed are counted, so that a fast sender
// waits for a slow receiver as it would for flow control.
//
// It starts one goroutine a connection, at its end, to tell whoever asked for that; it ends with
// the function it calls. Locks: conn.mu before half.mu; neither is held while a sink is called.
package inproc
