package wire

import (
	"context"

	"github.com/naru-rpc/naru/status"
)

// HTTP/2 error codes this layer sends, RFC 9113 §7.
const (
	codeNoError       = 0x0
	CodeInternalError = 0x2
	CodeCancel        = 0x8
)

// ContextStatus is the status error for an ended context. Its cause is the context's.
func ContextStatus(ctx context.Context, doing string) error {
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

// A LocalError is the cause of a status whose text leaves something out that peers must not read,
// such as names of Go types: Err is for this process's log.
type LocalError struct{ Err error }

// Error implements error.
func (e *LocalError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *LocalError) Unwrap() error { return e.Err }
