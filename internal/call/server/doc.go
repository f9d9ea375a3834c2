// Package server is the server's side of a call: a [Call] is the sink of its stream, the handler's
// context, and what a handler receives and sends on. It does not know where streams come from (a
// [Dispatcher] does) or what a handler does with a message.
//
// # Goroutines
//
// None is started. Sinks' methods run on a transport's read loop, Run on a goroutine of the
// Dispatcher's, everything else on the handler's.
//
// # Locks
//
// sendMu before mu before lifeMu; Unfinished.mu is taken under mu. Methods of a stream may be
// called under any of them, since a transport holds no lock while it calls a sink. User code
// (hooks, codecs, handlers) runs under none.
package server
