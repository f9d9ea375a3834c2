package server

import (
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// Refuse ends a stream with a status at once, on the read loop, and returns a sink for what still
// comes. subtype is that of the request; http is the HTTP status, 200 but for violations of HTTP's
// rules.
func Refuse(runner Dispatcher, stream transport.ServerStream, subtype string, http int, s *status.Status, extra ...transport.Field) transport.Sink {
	return refuse(runner, stream, &final{
		status: s,
		head:   transport.ResponseHead{Status: http, Fields: append([]transport.Field{wire.Field(wire.FieldContentType, wire.ContentType(subtype))}, extra...)},
	})
}

// RefuseForGood is Refuse for a call that would be refused again, whatever its code says to a retry
// policy.
func RefuseForGood(runner Dispatcher, stream transport.ServerStream, subtype string, s *status.Status) transport.Sink {
	return refuse(runner, stream, &final{
		status: s,
		head:   transport.ResponseHead{Status: 200, Fields: []transport.Field{wire.Field(wire.FieldContentType, wire.ContentType(subtype))}},
		// gRFC A6: "If the value for pushback is negative or unparseble, then it will be seen as
		// the server asking the client not to retry at all."
		trailer: metadata.Pairs(wire.FieldPushback, "-1"),
	})
}

func refuse(runner Dispatcher, stream transport.ServerStream, f *final) transport.Sink {
	f.send(stream)
	if f.excess != nil {
		runner.Problem(reason.PeerHeaderList)
	}
	return Discard{stream}
}

// Discard is the sink of a stream whose body is of no interest.
type Discard struct{ Stream transport.StreamControl }

// Data implements transport.Sink.
func (d Discard) Data(p []byte, _ bool) {
	if len(p) > 0 {
		d.Stream.Consumed(len(p))
	}
}

// Trailers implements transport.Sink.
func (Discard) Trailers([]transport.Field) {}

// Closed implements transport.Sink.
func (Discard) Closed(*transport.Error) {}
