package balancer

import (
	"errors"

	"github.com/naru-rpc/naru/codes"
)

// Picker chooses a connection for a call. Immutable as seen from outside; safe for concurrent use.
type Picker interface {
	// Pick sets p.SubConn. Its errors: [ErrQueue] if the call should wait for the next picker, a
	// [*DropError] if it must fail at once, anything else if it fails unless it waits for ready.
	Pick(call *CallInfo, p *Pick) error
}

// CallInfo says what is known of the call. Lent for the time of the pick.
type CallInfo struct {
	// Method is the path of the call: "/package.Service/method".
	Method string
	// Metadata is what the call sends. nil: none.
	Metadata Metadata
	// Attempt counts from 1; more than 1 is a retry or a hedge.
	Attempt int
	// Streaming calls last as long as they like: their duration says nothing of the backend.
	Streaming bool
	// Hash places the call on the ring of ring_hash if HasHash is set; a resolver that routes sets
	// it.
	Hash uint64
	// HasHash: see Hash.
	HasHash bool
}

// Metadata is the metadata of a call as a picker sees it: what the program and its interceptors
// attached. What gRPC itself sends (content-type, te, user-agent) and what per-call credentials add
// is not part of it: credentials are asked after the pick. [metadata.MD] implements it.
type Metadata interface {
	// Get returns the values of key, in the order in which they are sent; nil if there are none.
	// Keys are compared without regard to case. The result is lent until Pick returns and must not
	// be changed.
	Get(key string) []string
}

// ErrQueue tells that there is nothing to choose from yet.
var ErrQueue = errors.New("balancer: no connection is ready yet")

// DropError ends a call, even one that waits for ready: the policy does not want it.
type DropError struct {
	// Code is the status of the call.
	Code codes.Code
	// Reason is the status's message.
	Reason string
}

// Error returns the reason.
func (e *DropError) Error() string { return e.Reason }

// maxFeedback is enough for a leaf, a weighing policy, outlier detection and one custom policy
// around each other.
const maxFeedback = 4

// Pick is the outcome of a pick. The zero value is ready for use, and [Pick.Reset] makes it so
// again: callers reuse it, so that a pick need not allocate.
type Pick struct {
	// SubConn is the connection chosen.
	SubConn SubConn

	feedback [maxFeedback]watch
	n        int
	more     []watch // beyond maxFeedback
}

type watch struct {
	f     Feedback
	token int64
}

// Feedback hears of the end of an attempt. Safe for concurrent use; it must not block.
type Feedback interface {
	// Done is called once per pick, when the attempt ended, with the token that was given to Watch.
	// info is lent until it returns.
	Done(info *DoneInfo, token int64)
}

// Watch asks for f to be told when the attempt ends. token is what the picker wants to remember of
// this pick, the time for example: f itself is shared by all, so that nothing has to be allocated.
// For pickers.
func (p *Pick) Watch(f Feedback, token int64) {
	if p.n < maxFeedback {
		p.feedback[p.n] = watch{f, token}
		p.n++
		return
	}
	p.more = append(p.more, watch{f, token})
}

// Watched tells whether anyone wants to hear of the end.
func (p *Pick) Watched() bool { return p.n > 0 }

// Done tells everyone who asked, the last to ask first.
func (p *Pick) Done(info *DoneInfo) {
	for i := len(p.more) - 1; i >= 0; i-- {
		p.more[i].f.Done(info, p.more[i].token)
	}
	for i := p.n - 1; i >= 0; i-- {
		p.feedback[i].f.Done(info, p.feedback[i].token)
	}
}

// Reset makes the pick ready for another use.
func (p *Pick) Reset() { *p = Pick{} }

// DoneInfo says how an attempt ended.
type DoneInfo struct {
	// Code is the attempt's status, OK included.
	Code codes.Code
	// Err is its error; nil for OK.
	Err error
	// Sent: bytes of the request were handed to the connection. An attempt that never was says
	// nothing of the backend.
	Sent bool
	// Received: something of the response came.
	Received bool
	// Load is the backend's load report in the trailers (gRFC A51), in wire form; parse it with
	// [ParseLoadReport]. "": none.
	Load string
}

// fixedPicker gives every call the same answer.
type fixedPicker struct {
	sc  SubConn
	err error
}

func (f *fixedPicker) Pick(_ *CallInfo, p *Pick) error {
	p.SubConn = f.sc
	return f.err
}

// ErrPicker returns a picker that fails every call with err; ErrQueue makes them wait.
func ErrPicker(err error) Picker { return &fixedPicker{err: err} }

// SubConnPicker returns a picker that sends every call to sc.
func SubConnPicker(sc SubConn) Picker { return &fixedPicker{sc: sc} }
