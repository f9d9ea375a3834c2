package server

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// A final is the last step of a response that fails: its status, and the metadata that goes with
// it. Peers limit header sections, most to 8 or 16 KiB. What does not fit goes without its details,
// then without its metadata, then with a shorter message: a client that learns the code is better
// off than one whose stream is reset, and one that learns nothing waits until its deadline.
type final struct {
	status          *status.Status
	header, trailer metadata.MD
	head            transport.ResponseHead // without metadata; of no use if headSent
	headSent        bool
	deadline        time.Time // the call's; zero: none

	excess  *transport.HeaderListError // why the response is not as the handler meant it; nil: it is
	bare    bool                       // the status goes without its details
	leftOut []string
	room    int // bytes of the message as encoded; 0: as it is, < 0: none
}

// send ends the stream with as much as the peer accepts. If it accepts no status at all, the stream
// is reset.
func (f *final) send(stream transport.ServerStream) {
	for {
		out := f.out()
		err := stream.Send(&out)
		large, ok := errors.AsType[*transport.HeaderListError](err)
		if !ok {
			return // sent, or nobody is there to receive it
		}
		if f.excess == nil {
			f.excess = large
		}
		if !f.reduce(large) {
			stream.Reset(wire.CodeInternalError, reason.PeerHeaderList)
			return
		}
	}
}

func (f *final) out() transport.Out {
	if f.headSent {
		return transport.Out{End: true, Trailers: f.fields(nil), Deadline: f.deadline}
	}
	head := f.head
	head.Fields = append([]transport.Field(nil), head.Fields...)
	if len(f.header) > 0 {
		head.Fields = wire.AppendMetadata(head.Fields, f.header)
		return transport.Out{Head: &head, End: true, Trailers: f.fields(nil)}
	}
	// Trailers-Only → HTTP-Status Content-Type Trailers
	head.Fields = f.fields(head.Fields)
	return transport.Out{Head: &head, End: true}
}

// fields appends the status and the trailer metadata.
func (f *final) fields(to []transport.Field) []transport.Field {
	to = append(to, wire.Field(wire.FieldStatus, wire.CodeText(f.status.Code())))
	if m := f.message(); m != "" {
		to = append(to, wire.Field(wire.FieldMessage, m))
	}
	if f.status.HasDetails() && !f.bare {
		to = append(to, wire.DetailsField(f.status))
	}
	return wire.AppendMetadata(to, f.trailer)
}

// message is grpc-message as encoded.
func (f *final) message() string {
	if f.room < 0 {
		return ""
	}
	room := wire.MaxStatusMessage
	if f.room > 0 {
		room = min(room, f.room)
	}
	note := f.note()
	if len(note) > room {
		note = ""
	}
	return wire.EncodeMessage(f.status.Message(), room-len(note)) + note
}

// note tells the client what it does not get. It needs no encoding.
func (f *final) note() string {
	if len(f.leftOut) == 0 {
		return ""
	}
	return fmt.Sprintf(" [without %s: %s]", strings.Join(f.leftOut, " and "), f.excess)
}

// reduce makes the section that was too large smaller. It reports whether that was possible.
func (f *final) reduce(large *transport.HeaderListError) bool {
	switch {
	case large.Section == transport.SectionResponseHeader:
		if len(f.header) == 0 {
			return false
		}
		f.header = nil
		f.leftOut = append(f.leftOut, "header metadata")
	case f.status.HasDetails() && !f.bare:
		f.bare = true
		f.leftOut = append(f.leftOut, "status details")
	case len(f.trailer) > 0:
		f.trailer = nil
		f.leftOut = append(f.leftOut, "trailer metadata")
	default:
		have := len(f.message())
		if have == 0 {
			return false
		}
		if f.room = have - int(large.Size-large.Limit); f.room <= 0 {
			f.room = -1
		}
	}
	return true
}
