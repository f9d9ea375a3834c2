package server

import (
	"context"
	"log/slog"

	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/logs"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// An Env is what all calls of a server share. What is exported is immutable once calls run.
type Env struct {
	Registry *encoding.Registry
	// MaxReceiveBytes and MaxSendBytes bound one message; < 0: no limit.
	MaxReceiveBytes, MaxSendBytes int
	// Compression is the encoding of responses to clients that accept it; "": that of the request.
	Compression string
	// CompressMinBytes is the size below which messages are not compressed.
	CompressMinBytes int
	// Authenticate runs before a body is read; nil: none. Its context is the handler's.
	Authenticate func(c *Call) (context.Context, error)
	// Base answers for values no call knows. Its cancellation is not heeded.
	Base   context.Context
	Logger *slog.Logger
	// Notices is the logger of a program that has set one: for what is no fault of the server's.
	// nil: none.
	Notices *slog.Logger
	// HandlePanic is told of what a handler panicked with; nil: it is logged.
	HandlePanic func(c *Call, value any, stack []byte)
	// ErrorText sends the text of errors without a status to clients.
	ErrorText bool
	// Draining is closed when the server shuts down.
	Draining <-chan struct{}
	// Observe has the stats handlers; nil: none.
	Observe *observe.Set
	// Logs limits the lines that peers can cause.
	Logs logs.Limiter
	// Expansion has the calls' compressed messages take turns.
	Expansion wire.Expansion

	fields fieldLists
}

func (c *Call) receiveLimit() wire.Limit {
	l := wire.Limit{Bytes: c.env.MaxReceiveBytes, By: "the server's Limits.MaxReceiveMessageSize"}
	if n := c.method.MaxReceiveBytes; n != 0 {
		l.Bytes = n
	}
	return l
}

func (c *Call) sendLimit() wire.Limit {
	l := wire.Limit{Bytes: c.env.MaxSendBytes, By: "the server's Limits.MaxSendMessageSize"}
	if n := c.method.MaxSendBytes; n != 0 {
		l.Bytes = n
	}
	return l
}

// A Method is a method with what runs it. Immutable.
type Method struct {
	FullMethod                   string
	ClientStreams, ServerStreams bool
	// MaxReceiveBytes and MaxSendBytes bound one message of this method; < 0: no limit. 0: the
	// Env's.
	MaxReceiveBytes, MaxSendBytes int
	// Handle runs the interceptors and the handler: receives, sends, or replies on the call.
	Handle func(c *Call) error
}

// A Dispatcher runs calls for a connection.
type Dispatcher interface {
	// Dispatch makes c.Run be called soon, on another goroutine. It does not block.
	Dispatch(c *Call)
	// Postpone is asked by Run before it does anything. true: not now; Run will be called again.
	Postpone(c *Call) bool
	// Problem is told of what was wrong with a request's messages: "message_too_large", also when
	// decompressed, "message_malformed", "message_count". It does not block.
	Problem(token reason.Code)
	// Unfinished has the connection's calls that wait to begin.
	Unfinished() *Unfinished
	// Withdraw takes a call back whose stream has gone. It returns false if Run was called, or will
	// be; after true, neither Run nor Finished will.
	Withdraw(c *Call) bool
	// Abandoned is told, once, that c's stream has gone while its handler runs. Finished follows,
	// perhaps at the same time.
	Abandoned(c *Call)
	// Finished is called once for each dispatched call, when Run has ended.
	Finished(c *Call)
}

var (
	okTrailers = []transport.Field{{Name: wire.FieldStatus, Value: "0"}}

	// heads are the response heads of calls whose handler adds nothing, by content subtype.
	heads = func() map[string]*transport.ResponseHead {
		m := make(map[string]*transport.ResponseHead)
		for _, subtype := range []string{"", "proto", "json"} {
			m[subtype] = &transport.ResponseHead{
				Status: 200,
				Fields: []transport.Field{{Name: wire.FieldContentType, Value: wire.ContentType(subtype)}},
			}
		}
		return m
	}()
)
