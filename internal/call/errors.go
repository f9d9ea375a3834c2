package call

import (
	"context"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// HTTP/2 error codes this layer sends, RFC 9113 §7.
const (
	codeNoError       = 0x0
	codeInternalError = 0x2
	codeCancel        = 0x8
)

// clientStatus is the status of a call that the transport ended. It is the only place where that is
// decided for clients; the table of its test is the specification.
func clientStatus(e *transport.Error) *status.Status {
	return status.New(clientCode(e), e.Error()).WithCause(e)
}

func clientCode(e *transport.Error) codes.Code {
	switch {
	case e.Origin == transport.OriginUser:
		return codes.Canceled
	case e.Unprocessed, e.Scope == transport.ScopeConn:
		// Whatever broke the connection, another one may work.
		return codes.Unavailable
	case e.Origin == transport.OriginPeer:
		return codes.FromHTTP2Error(e.Code)
	case e.Token == reason.PeerHeaderList:
		return codes.ResourceExhausted
	}
	// This side's transport found the stream malformed (RFC 9113 §8.1.1).
	return codes.Internal
}

// serverStatus is what a handler's stream operations return when the transport ended the stream.
// Nobody is there to receive it: the code says to the handler that it can stop.
func serverStatus(e *transport.Error) *status.Status {
	return status.New(codes.Canceled, "the call was ended: "+e.Error()).WithCause(e)
}

// handlerStatus is the status a handler's error is sent as. A context's bare error keeps its
// meaning; other errors without a status are UNKNOWN.
func handlerStatus(err error) *status.Status {
	s, ok := status.FromError(err)
	if ok {
		return s
	}
	return status.FromContextError(err)
}

// contextStatus is the status error for an ended context. Its cause is the context's.
func contextStatus(ctx context.Context, doing string) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	s := status.FromContextError(err)
	text := doing + ": " + err.Error()
	if cause != nil && cause != err {
		text += ": " + cause.Error()
	} else {
		cause = err
	}
	return s.WithMessage(text).WithCause(cause).Err()
}
