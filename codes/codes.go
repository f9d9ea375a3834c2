// Package codes holds the status codes of gRPC.
package codes

// A Code is a gRPC status code. Receivers treat values other than the 17 below as Unknown
// (see [Code.Canonical]). As text and in JSON a Code is its canonical name.
type Code uint32

// The codes, as https://grpc.github.io/grpc/core/md_doc_statuscodes.html defines them. Whether a
// call may be repeated is a matter of the method and of who made the status, not of the code alone;
// the notes say what the code itself lets a caller assume.
const (
	// OK is success.
	OK Code = iota
	// Canceled: the caller gave up.
	Canceled
	// Unknown: an error that came without a code, or with one nobody defined.
	Unknown
	// InvalidArgument: the request is wrong whatever state the system is in.
	InvalidArgument
	// DeadlineExceeded: time ran out. The operation may have been done nevertheless.
	DeadlineExceeded
	// NotFound: what was asked for does not exist.
	NotFound
	// AlreadyExists: what was to be made exists.
	AlreadyExists
	// PermissionDenied: the caller is known and may not. Not for callers that are unknown
	// (Unauthenticated) or over a quota (ResourceExhausted).
	PermissionDenied
	// ResourceExhausted: a quota or limit was reached, such as that of a message's size.
	ResourceExhausted
	// FailedPrecondition: the system is not in the state the operation needs, and repeating it
	// will not help until somebody changes that.
	FailedPrecondition
	// Aborted: a conflict between callers; repeat at a higher level, such as from the read
	// of a read-modify-write.
	Aborted
	// OutOfRange: past the end of what there is; unlike InvalidArgument it may become right.
	OutOfRange
	// Unimplemented: the server does not have the method, or not this way of using it.
	Unimplemented
	// Internal: a promise of the system is broken, by the program or on the wire.
	Internal
	// Unavailable: the service cannot be reached now; with backoff, repeating may help.
	Unavailable
	// DataLoss: data is lost or damaged for good.
	DataLoss
	// Unauthenticated: the call has no valid credentials.
	Unauthenticated
)
