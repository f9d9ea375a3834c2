// Package codes holds the status codes of gRPC.
package codes

// A Code is a gRPC status code. Values other than the 17 below are treated as Unknown.
type Code uint32

// The codes of https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
const (
	OK Code = iota
	Canceled
	Unknown
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	OutOfRange
	Unimplemented
	Internal
	Unavailable
	DataLoss
	Unauthenticated
)
