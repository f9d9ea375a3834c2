// Package abuse bounds the work a peer causes beyond the calls it makes.
//
// Every HTTP/2 flood (resets, pings, settings, empty frames, window updates, continuations)
// consists of frames that are legal one by one and cost the receiver more than the sender. A
// [Budget] gives each kind an allowance and answers with a [Fault] when it is used up: the
// connection is to be closed, with the fault's code. It never asks the caller to stop reading.
//
// A [Policy] is the compiled configuration, one per server or client, immutable and shared.
// A Budget is the state of one connection: small, owned by its read loop, not safe for
// concurrent use. What the sending half knows comes in as arguments.
//
// It is pure: times are nanoseconds on any clock that does not run backwards, and only
// their differences matter. Should one run backwards, allowances refill later, no more.
//
// Charge what the peer does, never what this side does on its own account: counting one's own
// acknowledgments against the peer has deadlocked other stacks.
package abuse
