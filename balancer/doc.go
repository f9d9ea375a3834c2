// Package balancer chooses the connection of each call.
//
// A [Policy] is a configuration, such as PickFirst{} or LeastRequest{Choices: 3}, and makes the
// [Balancer] that works by it. A balancer is a state machine: the channel tells it what happened
// (new endpoints, a connection's new state, a timer), one event at a time, and it answers through
// its [Host]: connect here, disconnect there, and above all: this is the [Picker] from now on.
//
// A picker is an immutable snapshot that all calls read at the same time. It is published behind
// one atomic pointer, so that a pick takes no lock; it should not allocate either.
//
// # Concurrency
//
// Methods of a Balancer, the functions it gave to a Host, and its timers never run at the same time
// and never block. Methods of a Host are called from within them only. Pickers and [Feedback] are
// called by any number of goroutines.
//
// # Time and chance
//
// come from the Host, so that every policy can be tested without waiting.
//
// # Known limitations
//
// A policy around another (random_subsetting, outlier_detection) replaces its child at once when
// the child's name changes; only the channel's own policy hands over when the new one is of use.
// Latency is measured from pick to end and leaves streams out.
package balancer
