package grpcgo

import (
	"context"
	"errors"
	"io"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	grpccodes "google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	spb "google.golang.org/genproto/googleapis/rpc/status"
)

// FromNaru returns an error that both libraries understand, of an error of naru: status.FromError,
// status.Code, status.Convert and errors.Is of grpc-go find its code, message and details, and
// errors.Is, errors.As and naru's status functions what they found before. Its text is grpc-go's.
// nil, io.EOF, errors without a status, and errors that grpc-go understands already are returned as
// they are.
func FromNaru(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if _, ok := errors.AsType[grpcCarrier](err); ok {
		return err
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	return &statusError{status: grpcStatusOf(s), err: err}
}

// ToNaru returns an error that naru understands, of an error of grpc-go, and is what the servers
// here do with a handler's error: the status grpc-go would send. A context's error is CANCELLED or
// DEADLINE_EXCEEDED, others without a status are UNKNOWN. nil is nil.
func ToNaru(err error) error {
	if err == nil {
		return nil
	}
	s, ok := grpcstatus.FromError(err)
	if !ok {
		if _, ours := status.FromError(err); ours {
			return err // of a naru client that the handler called
		}
		s = grpcstatus.FromContextError(err)
	}
	if s.Code() == grpccodes.OK {
		// grpc-go sends OK for an error that says so itself. A call without a response cannot be
		// OK.
		return status.New(codes.Unknown, err.Error()).WithCause(err).Err()
	}
	return naruStatusOf(s).WithCause(err).Err()
}

// grpcCarrier is an error that grpc-go finds a status in.
type grpcCarrier interface {
	error
	GRPCStatus() *grpcstatus.Status
}

// statusError is naru's error as grpc-go sees it. Immutable.
type statusError struct {
	status *grpcstatus.Status
	err    error // of naru
}

// Error returns what grpc-go prints of a status: "rpc error: code = NotFound desc = ...".
func (e *statusError) Error() string { return e.status.String() }

// GRPCStatus is what grpc-go's status package asks errors for.
func (e *statusError) GRPCStatus() *grpcstatus.Status { return e.status }

// Unwrap returns naru's error.
func (e *statusError) Unwrap() error { return e.err }

// Is reports whether target has the same status, as grpc-go's errors do.
func (e *statusError) Is(target error) bool {
	t, ok := target.(grpcCarrier)
	if !ok || t.GRPCStatus() == nil {
		return false
	}
	return proto.Equal(e.status.Proto(), t.GRPCStatus().Proto())
}

// grpcStatusOf translates a status.
func grpcStatusOf(s *status.Status) *grpcstatus.Status {
	if !s.HasDetails() {
		return grpcstatus.New(grpccodes.Code(s.Code()), s.Message())
	}
	return grpcstatus.FromProto(&spb.Status{Code: int32(s.Code()), Message: s.Message(), Details: s.RawDetails()})
}

// naruStatusOf translates a status that is not OK.
func naruStatusOf(s *grpcstatus.Status) *status.Status {
	t := status.New(codes.Code(s.Code()).Canonical(), s.Message())
	details := s.Proto().GetDetails()
	if len(details) == 0 {
		return t
	}
	packed := make([]proto.Message, len(details))
	for i, d := range details {
		packed[i] = d
	}
	with, err := t.WithDetails(packed...)
	if err != nil { // a detail that cannot be marshalled: it could not be sent either
		return t
	}
	return with
}

// contextError is the status error of an ended context, as grpc-go's clients return it.
func contextError(ctx context.Context) error {
	return grpcstatus.FromContextError(ctx.Err()).Err()
}
