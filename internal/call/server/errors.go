package server

import (
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// serverStatus is what a handler's stream operations return when the transport ended the stream.
// Nobody is there to receive it: the code says to the handler that it can stop.
func transportStatus(e *transport.Error) *status.Status {
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
