// Package stats declares what a server or client reports of its calls to handlers that measure:
// metrics, traces, logs. A handler is set with naru.WithStatsHandler, on either side, any number of
// times. An interceptor sees one call and may change it; a handler sees every call, connection and
// attempt, the calls included that were refused before any interceptor ran, and changes nothing but
// the headers it adds.
//
// A handler names the groups of events it wants. What no handler wants costs nothing; there is no
// event per message unless a handler asks for [Messages].
//
// The order of events of one call on a client:
//
//	BeginCall
//	  AttemptBegun, (Delayed), AttemptSent, (HeaderReceived), messages, AttemptEnded    for each attempt
//	CallEnded
//
// Attempts of a hedged call overlap. On a server a call has no attempts:
//
//	BeginCall, messages, CallEnded
//
// Events of one call come from the goroutines that caused them. Those of one attempt, and those of
// a server's call, are not ordered between sending and receiving. AttemptEnded and CallEnded are
// the last.
package stats
