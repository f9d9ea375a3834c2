package server

import (
	"context"
	"errors"
	"log/slog"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// serverStatus is what a handler's stream operations return when the transport ended the stream.
// Nobody is there to receive it: the code says to the handler that it can stop.
func transportStatus(e *transport.Error) *status.Status {
	return status.New(codes.Canceled, "the call was ended: "+e.Error()).WithCause(e)
}

// handlerStatus is the status a handler's error is sent as. A context's error keeps its meaning;
// other errors without a status are UNKNOWN. The text of an error without a status was not written
// for clients: it may name hosts, files, queries or users. It is logged, and sent only by servers
// that ask for it (docs/decisions/0020-error-text.md).
func (c *Call) handlerStatus(err error) *status.Status {
	s, ok := status.FromError(err)
	var local *wire.LocalError
	switch {
	case ok && !errors.As(err, &local):
		return s
	case ok:
		c.logError(local.Err)
		if s.Message() == local.Error() {
			return s.WithMessage(localError)
		}
		return s
	}
	s = status.FromContextError(err)
	if c.env.ErrorText || err == context.DeadlineExceeded || err == context.Canceled {
		return s
	}
	c.logError(err)
	switch s.Code() {
	case codes.DeadlineExceeded:
		return s.WithMessage(context.DeadlineExceeded.Error())
	case codes.Canceled:
		return s.WithMessage(context.Canceled.Error())
	}
	return s.WithMessage(errorWithoutStatus)
}

const (
	errorWithoutStatus = "the handler failed; the reason is in the server's log"
	localError         = "the server has failed at its own code; the reason is in its log"
)

// logError logs what a client is not told. It is an error, so that servers without a logger of
// their own log it too: the text is nowhere else.
func (c *Call) logError(err error) {
	c.Log(slog.LevelError, reason.HandlerError, "naru: handler failed", "error", brief.Text(err.Error(), maxLoggedError))
}

// maxLoggedError bounds what is logged of an error.
const maxLoggedError = 2 << 10
