// Package call is one RPC: what the bytes of a stream mean. It knows messages and their prefixes,
// codecs and compression, metadata, timeouts, status, and when a call may be sent again. It does not know
// where streams come from ([Channel], [Dispatcher]) or what a handler does with a message.
//
// A [ServerCall] is the server's side; [Invoke] and [ClientStream] are the client's, each over one
// or more attempts, which are streams. The runner makes the attempts of a stream or a hedged call; a unary
// call that has one attempt at a time makes them on the goroutine that calls, with the same decisions (again).
//
// # Goroutines
//
// A plain call starts none. The end of a client stream's context runs context.AfterFunc's. An attempt that has
// failed where another may follow, a retry that was paused, and each attempt under a hedging policy have a
// goroutine until the attempt is open or the call has ended; what is launched is cancelled with the call. Sinks'
// methods run on a transport's read loop; everything else on the goroutine of the program that calls.
//
// # Locks
//
// ServerCall: sendMu before mu before lifeMu. ClientStream: sendMu before mu before attempt.mu.
// Methods of a stream may be called under any of them, since a transport holds no lock while it
// calls a sink. User code (hooks, codecs, handlers) runs under none.
//
// # Buffers
//
// Received bytes are copied once, off the transport's read buffer into the call's inbox, and
// decoded there. A message to send is encoded into a buffer that is passed on to the transport.
package call
