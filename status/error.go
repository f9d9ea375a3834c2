package status

import (
	"context"
	"errors"
	"fmt"

	"github.com/naru-rpc/naru/codes"
	"google.golang.org/protobuf/proto"
)

// statusError is a Status as an error; the same memory, so that Err costs nothing. Its code
// is never OK.
type statusError Status

// Carrier is an error that has a status. An error type of your own that implements it decides
// which status a handler's caller sees.
type Carrier interface {
	error
	// GRPCStatus returns the status; nil and OK are read as Unknown, because an error was returned.
	GRPCStatus() *Status
}

// Error returns "NOT_FOUND: no product 7".
func (e *statusError) Error() string { return (*Status)(e).String() }

// GRPCStatus makes it a Carrier.
func (e *statusError) GRPCStatus() *Status { return (*Status)(e) }

// Unwrap returns the cause given to WithCause.
func (e *statusError) Unwrap() error { return e.cause }

// Is reports whether target is a status error of the same code, message and details, whoever
// made it.
func (e *statusError) Is(target error) bool {
	t, ok := target.(*statusError)
	return ok && (*Status)(e).equal((*Status)(t))
}

// Error returns an error with the given code and message, or nil if the code is OK.
func Error(c codes.Code, message string) error { return New(c, message).Err() }

// Errorf is Error with a message made by fmt.Errorf, so that an error given for %w is the
// cause: errors.Is finds it in this process, and its text is part of the message.
func Errorf(c codes.Code, format string, args ...any) error {
	if c == codes.OK {
		return nil
	}
	formatted := fmt.Errorf(format, args...)
	s := New(c, formatted.Error())
	switch formatted.(type) {
	case interface{ Unwrap() error }, interface{ Unwrap() []error }:
		s.cause = formatted
	}
	return s.Err()
}

// FromError returns the status of an error and whether it had one. nil is OK, and true. An error
// that wraps one with a status gives that one's code and details, with the whole error's text as
// message and the error as cause. So does an error with a method GRPCStatus that returns what
// grpc-go's does, a pointer to a type with methods Code, Message and perhaps Proto. Any other error
// is Unknown with its text, and false.
func FromError(err error) (s *Status, ok bool) {
	switch e := err.(type) {
	case nil:
		return nil, true
	case *statusError:
		return (*Status)(e), true
	case Carrier:
		return carried(e), true
	}
	var wrapped Carrier
	if errors.As(err, &wrapped) {
		return carried(wrapped).WithMessage(err.Error()).WithCause(err), true
	}
	if s := foreign(err); s != nil {
		if shaped(err) == nil { // one that it wraps
			s.message = err.Error()
		}
		return s.WithCause(err), true
	}
	return New(codes.Unknown, err.Error()).WithCause(err), false
}

func carried(c Carrier) *Status {
	s := c.GRPCStatus()
	if s.Code() == codes.OK {
		return New(codes.Unknown, c.Error()).WithCause(c)
	}
	return s
}

// Convert is FromError without the second result.
func Convert(err error) *Status {
	s, _ := FromError(err)
	return s
}

// Code returns the code of the status FromError finds: OK for nil, Unknown for an error
// without one. It does not allocate for errors made by this package.
func Code(err error) codes.Code {
	switch e := err.(type) {
	case nil:
		return codes.OK
	case *statusError:
		return e.code
	}
	var c Carrier
	if !errors.As(err, &c) {
		return foreign(err).codeOr(codes.Unknown)
	}
	if code := c.GRPCStatus().Code(); code != codes.OK {
		return code
	}
	return codes.Unknown
}

// codeOr is the code of s, or c if s is nil.
func (s *Status) codeOr(c codes.Code) codes.Code {
	if s == nil {
		return c
	}
	return s.code
}

// FromContextError returns the status of a context's error: DeadlineExceeded or Canceled,
// also where the error wraps the context's, with the error as cause. nil is OK; any other
// error is Unknown.
func FromContextError(err error) *Status {
	if err == nil {
		return nil
	}
	c := codes.Unknown
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		c = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		c = codes.Canceled
	}
	return New(c, err.Error()).WithCause(err)
}

// Detail returns the first detail of type T in err's status.
//
//	if bad, ok := status.Detail[*errdetails.BadRequest](err); ok { ... }
func Detail[T proto.Message](err error) (T, bool) {
	for _, m := range Convert(err).Details() {
		if t, ok := m.(T); ok {
			return t, true
		}
	}
	var none T
	return none, false
}

// Local returns the first value of type T that WithLocal added to err's status.
func Local[T any](err error) (T, bool) {
	for _, v := range Convert(err).Local() {
		if t, ok := v.(T); ok {
			return t, true
		}
	}
	var none T
	return none, false
}
