// Package client is the client's side of a call: deadline, metadata, attempts, and when a call may
// be sent again. It does not know where connections come from: a [Channel] does.
//
// [Invoke] makes a unary call, a [Stream] is any other. Each has one or more attempts, which are
// streams of the transport. The attempts of a stream or a hedged call are made by a runner. A unary
// call that has one attempt at a time makes them on the goroutine that calls, and decides about the
// next one with the same function (again).
//
// # Goroutines
//
// A call that succeeds with its first attempt starts none. When a stream's context ends,
// context.AfterFunc runs a function that ends the stream. The runner starts a goroutine to judge an
// attempt that has failed where another may follow, to launch an attempt after a pause or under a
// hedging policy, and to cancel attempts that are not needed; it ends when the attempt is open, has
// failed, or is cancelled with the call. Sinks' methods run on a transport's read loop, and
// everything else on the goroutine of the program that calls.
//
// # Locks
//
// Stream: sendMu before mu before attempt.mu. Methods of a transport's stream may be called under
// any of them, since a transport holds no lock while it calls a sink. User code (hooks, codecs)
// runs under none.
package client
