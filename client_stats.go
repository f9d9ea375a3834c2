package naru

import (
	"maps"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
)

// ClientStats is what a client counts since it was made: what went wrong, and what was done about
// it. Calls that succeed with their first attempt are not counted, so that the counters cost them
// nothing. Clients that share a channel (WithChannelPool) share what is counted of connections. The
// maps are the receiver's own and never nil.
type ClientStats struct {
	// FailedCalls counts the calls that ended with another status than OK. Attempts that were
	// repeated do not count by themselves.
	FailedCalls map[codes.Code]uint64
	// Reasons counts the same calls by who or what ended them, in short stable words:
	//
	//	"status"            the server answered with the status
	//	"deadline"          the call's time was up
	//	"canceled"          the caller ended it, or closed a stream before its end
	//	"attempt_timeout"   the last attempt's time was up (WithRetry)
	//	"no_connection"     there was no connection; where a failure to resolve or connect was the cause,
	//	                    its connectivity.Reason stands in place of it: "refused", "name_resolution"
	//	"request"           the call could not be sent: an option, its size, its encoding
	//	"response"          the answer could not be taken: its size, its encoding, no gRPC
	//
	// A connection or stream that broke gives the word that Ended has for it.
	Reasons map[string]uint64
	// Failures counts, by reason, how often resolving and connecting failed and connections were
	// lost.
	Failures map[connectivity.Reason]uint64
	// Ended counts, by reason, the connections that have ended and the streams this side ended for
	// what the peer did. Reasons are short stable words; those of Limits stand there, others are
	// "eof" (the peer closed), "read" and "write" (the socket failed), "goaway" (the peer asked to
	// leave), "keepalive_timeout", "drained" and "client_closed" (this side closed).
	Ended map[string]uint64
	// Retries are the attempts a retry policy made after one that had failed; TransparentRetries
	// those made because a server had not looked at the one before; Hedges those made while others
	// were under way.
	Retries, TransparentRetries, Hedges uint64
	// Throttled is how often the retry budget did not allow a retry or further hedges (gRFC A6).
	Throttled uint64
}

// Stats returns the client's counters. For one made with InProcess, Failures and Ended are empty.
// It takes a few short locks: to be called every few seconds, not with every call.
func (c *Client) Stats() ClientStats {
	k := &c.env.Counters
	s := ClientStats{
		FailedCalls: k.ByCode(),
		Reasons:     k.ByReason(),
		Failures:    map[connectivity.Reason]uint64{},
		Ended:       map[string]uint64{},
		Retries:     k.Retries.Load(), TransparentRetries: k.TransparentRetries.Load(),
		Hedges: k.Hedges.Load(), Throttled: k.Throttled.Load(),
	}
	if c.target != nil {
		s.Ended = c.target.EndCounts()
		maps.Copy(s.Failures, c.target.FailureCounts())
	}
	return s
}
