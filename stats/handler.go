package stats

import "context"

// A Group is a set of events.
type Group uint8

// The groups. A handler combines those it wants with |.
const (
	// Calls are BeginCall and CallEnded.
	Calls Group = 1 << iota
	// Attempts are AttemptBegun, AttemptSent, Delayed and AttemptEnded, of clients. They include
	// Calls.
	Attempts
	// Headers are HeaderReceived, of clients. They include Calls.
	Headers
	// Messages are MessageSent and MessageReceived: two more function calls for each message of
	// each stream. They include Calls.
	Messages
)

// Has reports whether g contains any of the groups in other.
func (g Group) Has(other Group) bool { return g&other != 0 }

// A Handler is told what a server or client does. Its methods are called on the goroutines of
// calls: they must be safe for concurrent use and must not block. A handler that panics takes the
// program down.
type Handler interface {
	// Wants returns the groups the handler is told of. It is called once for each server or client
	// the handler is given to.
	Wants() Group

	// BeginCall is called when a call begins: on a client before anything is sent or waited for, on
	// a server when work on it begins, or when it is refused. The context it returns is the call's
	// from then on: that of interceptors and of the handler on a server, that of the attempts on a
	// client. It must be ctx or derived from ctx. The observer is told of the events of the call;
	// nil: of none.
	//
	// call is lent until BeginCall returns.
	BeginCall(ctx context.Context, call *CallBegun) (context.Context, Observer)
}

// An Observer is told what happens in one call or in one attempt.
type Observer interface {
	// Observe is told of an event, which is lent until Observe returns. Its dynamic type is a
	// pointer to one of the structs of this package; more may be added, and those that an observer
	// does not know are to be ignored.
	Observe(e Event)
}

// ObserverFunc is a function as an Observer.
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }
