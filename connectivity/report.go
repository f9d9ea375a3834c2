package connectivity

import (
	"strings"
	"time"
)

// Report tells where the time of a call went that failed without an answer: it got no connection,
// lost it, or its deadline passed. It is a local detail of the call's status:
//
//	if r, ok := status.Local[*connectivity.Report](err); ok { ... }
//
// Immutable once handed out.
type Report struct {
	// Target is what the client was made for; "" if the call had a connection.
	Target string
	// State of the client when the call ended without a connection.
	State State
	// Waits are the times before the call was sent.
	Waits
	// Attempts is how many connections were asked for.
	Attempts int
	// DeadlineBy names what set the deadline: "WithTimeout", "the context"; "" if there was none.
	DeadlineBy string
	// Last is the last failure to resolve or connect, or the loss of the call's connection; nil:
	// none.
	Last *Failure
}

// Waits are times a call spent before it was sent.
type Waits struct {
	// Resolving, Connecting and Queued are for names, for a connection, and for a free stream on
	// one that had all taken.
	Resolving, Connecting, Queued time.Duration
}

// Total is the sum.
func (w Waits) Total() time.Duration { return w.Resolving + w.Connecting + w.Queued }

// String names the times that are not zero, to the millisecond: "resolving 3ms, connecting 1.2s".
func (w Waits) String() string {
	var parts []string
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{"resolving", w.Resolving}, {"connecting", w.Connecting}, {"queued for a stream", w.Queued}} {
		if p.d > 0 {
			parts = append(parts, p.name+" "+p.d.Round(time.Millisecond).String())
		}
	}
	return strings.Join(parts, ", ")
}
