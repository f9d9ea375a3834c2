// Package memnet is a network without sockets: pairs of connected [net.Conn]s over bounded
// buffers in memory, and a listener with a name to dial them by.
//
// It is made for tests. A reader or writer that has to wait does so on a [sync.Cond] or a
// channel, and deadlines are [time.AfterFunc] timers, so that everything here may live inside
// a testing/synctest bubble: waiting counts as durably blocked, and deadlines fire in the
// bubble's time. A connection must be used in the bubble that made it.
//
// The package starts no goroutines of its own; the timers of deadlines are stopped by Close.
//
// Lock order: a connection's two pipes have a mutex each, and no method holds both.
package memnet
