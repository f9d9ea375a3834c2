package call

import (
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// Refuse ends a stream with a status at once, on the read loop, and returns a sink for what still
// comes. subtype is that of the request; http is the HTTP status, 200 but for violations of HTTP's rules.
func Refuse(stream transport.ServerStream, subtype string, http int, s *status.Status, extra ...transport.Field) transport.Sink {
	fields := append([]transport.Field{field(fieldContentType, contentTypeFor(subtype))}, extra...)
	_ = stream.Send(&transport.Out{
		Head: &transport.ResponseHead{Status: http, Fields: appendStatus(fields, s)},
		End:  true,
	}) // a stream that is gone needs no status
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
