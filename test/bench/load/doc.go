// Package load drives an echo service and reports what it measured.
//
// A closed loop (Rate 0) has every caller start its next piece of work when the last one is
// done: it finds the most a stack can do. An open loop (Rate above 0) starts work at times
// drawn beforehand, whether or not the system keeps up, and measures latency from the time
// the work was due: a stall is paid by every call that fell into it, so that percentiles
// are not made better by the load generator waiting along.
//
// # Goroutines
//
// Run starts one goroutine per caller (two in mode pipe), one per connection for the stream beside,
// one pacer for an open loop, and one that waits for the callers. All end with the measured time;
// Run waits for them.
package load
