// Package abuse bounds the work a peer causes beyond the calls it makes.
//
// Every HTTP/2 flood (resets, pings, settings, empty frames, window updates, continuations)
// consists of frames that are legal one by one and cost the receiver more than the sender. A
// [Budget] gives each kind an allowance and answers with a [Fault] when it is used up: the
// connection is to be closed, with the fault's code. Floods of calls that are given up or refused
// are slowed down first ([Budget.Pause]), since they may be the fault of one of many who share the
// connection; that is never the only defence.
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
