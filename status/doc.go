// Package status holds the outcome of a call: a code, a message and typed details.
//
// Handlers return errors made here, callers take them apart:
//
//	return nil, status.Errorf(codes.NotFound, "no product %q", id)
//
//	if status.Code(err) == codes.NotFound { ... }
//
// What the client itself knows about a failure travels in the same error as a cause
// ([Status.WithCause], for errors.Is and errors.As) and as local details
// ([Status.WithLocal], [Local]). Neither is ever put on the wire, so that a handler may
// return the error of a call it made without telling its caller about
// its own dependencies.
//
// The wire form of details is google.rpc.Status. It is written and read here byte by byte,
// so that nothing has to be linked that other packages register too.
package status
