// Package wiretap reads along on HTTP/2 connections of gRPC and tells what crosses them, frame by
// frame.
//
// It stands between a program and its socket as a net.Conn of its own, and decodes copies of the
// bytes that pass. It changes nothing and delays little. What it cannot decode it reports, and from
// then on passes that direction through unread.
//
// Known limitation: it is for connections whose other end is trusted, such as the tour's. It keeps
// every event, and buffers a frame of any size HTTP/2 knows.
package wiretap

import (
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// Direction is which way a frame went.
type Direction uint8

// Directions.
const (
	ToServer Direction = iota
	ToClient
)

// Event is one thing that crossed the wire. Immutable.
type Event struct {
	Conn      int // 1 for the first connection tapped
	Direction Direction
	// Header is the frame's header; for a field section that came in several frames, that of the
	// one frame it could have come in.
	Header frame.Header
	// Text is the frame on one line, without contents. For the client's preface and for bytes that
	// cannot be decoded, which have no frame header, it is all there is.
	Text string
	// Fields are the field section that a HEADERS frame completed.
	Fields []hpack.Field
	// Messages are the length-prefixed messages of gRPC that a DATA frame completed.
	Messages []Message
	// Size is what the event took on the wire, in bytes, frame headers included.
	Size int
}

// Message is one length-prefixed message of gRPC.
type Message struct {
	Size       int // bytes after the 5-byte prefix
	Compressed bool
}

// Frame tells whether the event is a frame.
func (e *Event) Frame() bool { return e.Size >= frame.HeaderLen && e.Text != preface }

// Ends tells whether the frame ended its sender's half of the stream, or the whole stream.
func (e *Event) Ends() bool {
	return e.Frame() && (e.Header.End() || e.Header.Type == frame.TypeRSTStream)
}

// Field returns the first value of a header field, "" if there is none.
func (e *Event) Field(name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
