// Package channel is the client channel: it resolves the target, lets a balancer choose among the
// endpoints, keeps the connections, and gives every attempt of a call the connection to use.
//
// # One event loop, no goroutine for it
//
// Everything that changes the channel (the resolver's answers, connections' states, timers, Close)
// is an event of [Channel.loop]. Events run one at a time, on the goroutine that brought them.
// Fields labelled "owned by the event loop" are touched by nothing else. Events never block.
//
// Calls do not pass through the loop: they read the snapshot behind one atomic pointer, ask its
// picker, and take a slot of the connection with one atomic addition. Only a call that must wait,
// because nothing is ready or every slot is taken, goes further.
//
// # Goroutines
//
//	resolver.Run       started by the loop when the channel leaves idle; ended by its context
//	connection attempt one per subConn at most, and one more in the dial function; ended by its context
//	                   (timeout, Shutdown, Close). A dial function that ignores its context is left behind.
//	connection watch   one per connection; ended by the connection's Done
//	side call          up to two per subConn (health, load reports); ended by its context, or by its
//	                   connection's end
//
// Close cancels the contexts, closes the connections and waits for all four. Timers (backoff,
// attempt delay, idle, slot recheck) are time.AfterFunc; Close stops them.
//
// # Lock order
//
// serial.mu is held only to queue an event, slots.mu only around the queue of waiting calls;
// neither is held while the other, or anything outside this package, is called.
//
// # Known limitations
//
// The peer's limit of concurrent streams is read again when calls wait and when the transport
// refuses a stream, not when it changes. A dial function that ignores its context is left behind
// rather than waited for.
package channel
