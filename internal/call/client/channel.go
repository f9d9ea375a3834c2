package client

import (
	"context"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/transport"
)

// A Channel gives calls their settings and their connections. internal/channel implements it over
// resolvers and balancers; [SingleConn] is the one of in-process clients. Safe for concurrent use.
type Channel interface {
	// MethodConfig returns what the service config says of the method with this path
	// ("/package.Service/method"), nil if it says nothing. It may block until names are resolved
	// for the first time, until ctx ends or deadline (zero: none) passes. Errors are status errors
	// that tell what was waited for. The result is shared and must not be changed.
	MethodConfig(ctx context.Context, fullMethod string, deadline time.Time) (*MethodConfig, error)

	// Pick chooses a connection for one attempt and blocks until there is one: until ctx ends,
	// info.Deadline passes, or, unless info.WaitForReady is set, the channel is in transient
	// failure. Errors are status errors that end the call (UNAVAILABLE, DEADLINE_EXCEEDED,
	// CANCELED, or what the balancer dropped it with) and carry the last connection error.
	//
	// done, if not nil, is called exactly once when the attempt has ended; it must not block.
	Pick(ctx context.Context, info *PickInfo) (conn transport.ClientConn, done func(DoneInfo), err error)

	// Throttle is the retry budget of gRFC A6 that all calls of the channel share; nil: none set.
	Throttle() *Throttle
}

// PickInfo says what the connection is for. The callee must not keep it.
type PickInfo struct {
	// FullMethod is the path of the call.
	FullMethod string
	// Streaming is set unless the call is unary: how long it takes says nothing about the server.
	Streaming bool
	// WaitForReady calls queue through transient failure (gRFC docs: wait-for-ready.md).
	WaitForReady bool
	// Deadline is the earliest of all deadlines set for the call. Zero: none. DeadlineBy names what
	// set it.
	Deadline   time.Time
	DeadlineBy string
	// Metadata is what the call sends, for balancers that hash a header. nil: none.
	Metadata balancer.Metadata
	// Attempt counts from 1, transparent retries included.
	Attempt int
	// Full is set after Open on that connection returned transport.ErrStreamLimit. The callee picks
	// another connection, opens one more, or waits for a slot on this one (its AwaitSlot).
	Full transport.ClientConn
	// Avoid holds connections that attempts of this call run or failed on: retries and hedges go
	// elsewhere where possible. nil on a first attempt.
	Avoid []transport.ClientConn
	// Waited is added to by the callee: what the call had to wait for.
	Waited connectivity.Waits
}

// DoneInfo says how an attempt ended.
type DoneInfo struct {
	// Err is the attempt's status error, nil for OK.
	Err error
	// Sent: bytes of the request reached the transport. Received: any header of the response came.
	Sent, Received bool
	// Trailers are the response's trailer fields, for load reports; lent until done returns.
	Trailers []transport.Field
}
