package connectivity

import "time"

// Report tells what a call waited for that got no connection, or whose time was up before it got one. It is a local
// detail of the call's status:
//
//	if r, ok := status.Local[*connectivity.Report](err); ok { ... }
//
// Immutable once handed out.
type Report struct {
	// Target is what the client was made for.
	Target string
	// State of the client when the call ended.
	State State
	// Resolving, Connecting and Queued are the times the call waited for names, for a connection, and for a free
	// stream on one that had all taken.
	Resolving, Connecting, Queued time.Duration
	// Last is the last failure to resolve or connect; nil: none.
	Last *Failure
}
