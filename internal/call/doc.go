// Package call is one RPC: what the bytes of a stream mean. It knows messages and their prefixes,
// codecs and compression, metadata, timeouts, status, and when a call may be sent again. It does not know
// where streams come from ([Channel], [Dispatcher]) or what a handler does with a message.
//
// A [ServerCall] is the server's side; [Invoke] and [ClientStream] are the client's, each over one
// or more attempts, which are streams.
//
// # Goroutines
//
// It starts none, but for context.AfterFunc's, which runs when the context of a client stream ends
// and ends when the stream has been reset. Sinks' methods run on a transport's read loop; everything else
// on the goroutine of the program that calls.
//
// # Locks
//
// ServerCall: sendMu before mu before lifeMu. ClientStream: openMu before mu before attempt.mu.
// Methods of a stream may be called under any of them, since a transport holds no lock while it
// calls a sink. User code (hooks, codecs, handlers) runs under none.
//
// # Buffers
//
// Received bytes are copied once, off the transport's read buffer into the call's inbox, and
// decoded there. A message to send is encoded into a buffer that is passed on to the transport.
package call
