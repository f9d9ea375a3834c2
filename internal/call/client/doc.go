// Package client is the client's side of a call: deadline, metadata, attempts, and when a call may be sent again. It
// does not know where connections come from: a [Channel] does.
//
// [Invoke] makes a unary call, a [Stream] is any other, each over one or more attempts, which are streams of the
// transport. The runner makes the attempts of a stream or a hedged call; a unary call that has one attempt at a time
// makes them on the goroutine that calls, with the same decisions (again).
//
// # Goroutines
//
// A plain call starts none. The end of a stream's context runs context.AfterFunc's. An attempt that has failed where
// another may follow, a retry that was paused, and each attempt under a hedging policy have a goroutine until the
// attempt is open or the call has ended; what is launched is cancelled with the call. Sinks' methods run on a
// transport's read loop; everything else on the goroutine of the program that calls.
//
// # Locks
//
// Stream: sendMu before mu before attempt.mu. Methods of a transport's stream may be called under any of them, since a
// transport holds no lock while it calls a sink. User code (hooks, codecs) runs under none.
package client
