package server

import (
	"context"
	"errors"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// seenBegun tells stats handlers, if there are any, that work on the call begins. Their context is
// the handler's.
func (c *Call) seenBegun() {
	if c.seen == nil || c.seen.Begun() {
		return
	}
	c.ctx = c.seen.Begin(c.ctx, stats.CallBegun{
		Method: c.path, Registered: c.method.FullMethod != "",
		ClientStreams: c.method.ClientStreams, ServerStreams: c.method.ServerStreams,
		Conn: c.conn.Stats(), Deadline: c.deadline,
	})
}

// seenEnded tells stats handlers that the call has ended with err, the status error that was sent.
func (c *Call) seenEnded(err error) {
	if c.seen == nil {
		return
	}
	refused := !c.seen.Begun()
	c.seenBegun() // it ended before work on it began
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	reason := "handler"
	switch {
	case closed != nil && closed.Scope == transport.ScopeConn:
		reason = "connection"
	case closed != nil:
		reason = "canceled"
	case status.Code(err) == codes.DeadlineExceeded && (refused || errors.Is(err, context.DeadlineExceeded)):
		reason = "deadline"
	case refused:
		reason = "refused"
	}
	if closed != nil { // whatever the handler returned, the client has not got it
		code := codes.Canceled
		if closed.Scope == transport.ScopeConn && closed.Origin != transport.OriginUser {
			code = codes.Unavailable
		}
		if !c.deadline.IsZero() && !time.Now().Before(c.deadline) { // its client may say so first
			code, reason = codes.DeadlineExceeded, "deadline"
		}
		err = status.New(code, closed.Error()).WithCause(closed).Err()
	}
	c.seen.End(err, reason)
}

// Refused tells stats handlers, if there are any, of a call for which there is no Call.
func (env *Env) Refused(conn *transport.ConnInfo, path string, err error) {
	if !env.Observe.Calls() {
		return
	}
	ctx := env.Base
	if ctx == nil {
		ctx = context.Background()
	}
	env.Observe.Refused(ctx, stats.CallBegun{Method: path, ClientStreams: true, ServerStreams: true, Conn: conn.Stats()}, err)
}
