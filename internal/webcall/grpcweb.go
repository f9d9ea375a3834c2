package webcall

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// gRPC-Web, PROTOCOL-WEB.md: messages as in gRPC; the trailers are the last message of the body,
// with a flag of their own, and in the form of HTTP/1.1's header fields. The text form is base64 of
// it all.

const trailerFlag = 0x80

func (h *Handler) grpcWeb(x *exchange, head *transport.RequestHead, o origin, subtype string, text bool) {
	contentType := "application/grpc-web"
	x.in = plain{}
	if text {
		contentType = "application/grpc-web-text"
		x.in = new(textInput)
	}
	if subtype != "" {
		contentType += "+" + subtype
	}
	x.out = &grpcWebOutput{h: h, origin: o, contentType: contentType, text: text}
	head.Fields = without(head.Fields, "content-type", "content-length", "x-grpc-web", "origin")
	head.Fields = append(head.Fields, transport.Field{Name: "content-type", Value: wire.ContentType(subtype)})
}

// without returns a copy of fields without those of these names.
func without(fields []transport.Field, names ...string) []transport.Field {
	left := make([]transport.Field, 0, len(fields)+4)
next:
	for _, f := range fields {
		for _, n := range names {
			if f.Name == n {
				continue next
			}
		}
		left = append(left, f)
	}
	return left
}

// plain hands a body on as it is.
type plain struct{}

func (plain) data(x *exchange, p []byte, end bool) { x.give(p, end) }
func (plain) offset(n int64) int64                 { return n }
func (plain) drop()                                {}

// textInput decodes base64, which may have been padded wherever a message ended.
type textInput struct {
	rest   [4]byte
	n      int
	broken bool
}

func (*textInput) offset(n int64) int64 { return n/3*4 + 4 }
func (*textInput) drop()                {}

func (t *textInput) data(x *exchange, p []byte, end bool) {
	if t.broken {
		x.give(nil, end)
		return
	}
	buf := mem.Get((t.n+len(p))/4*3 + 3)
	defer buf.Free()
	for len(p) > 0 && !t.broken {
		k := copy(t.rest[t.n:], p)
		p = p[k:]
		if t.n += k; t.n == len(t.rest) {
			var out [3]byte
			m, err := base64.StdEncoding.Decode(out[:], t.rest[:])
			// The decoder skips line ends, which nobody sends, and which would be bytes that no one
			// takes.
			t.broken = err != nil || bytes.ContainsAny(t.rest[:], "\r\n")
			buf.B = append(buf.B, out[:m]...)
			t.n = 0
		}
	}
	if t.broken || end && t.n > 0 {
		// No message of gRPC begins like this: the call fails for it.
		t.broken = true
		buf.B = append(buf.B, 0xff, 0xff, 0xff, 0xff, 0xff)
	}
	x.give(buf.B, end)
}

type grpcWebOutput struct {
	h           *Handler
	origin      origin
	contentType string
	text        bool
}

func (g *grpcWebOutput) send(s transport.ServerStream, out *transport.Out) error {
	next := transport.Out{Body: out.Body, End: out.End, Deadline: out.Deadline}
	if out.Head != nil {
		head := *out.Head
		head.Fields = append(without(head.Fields, "content-type"), transport.Field{Name: "content-type", Value: g.contentType})
		head.Fields = g.h.appendCORS(g.origin, head.Fields)
		next.Head = &head
	}
	if len(out.Trailers) > 0 {
		next.Body = appendBuf(next.Body, trailerMessage(out.Trailers))
	}
	if g.text && next.Body != nil {
		text := mem.Get(base64.StdEncoding.EncodedLen(len(next.Body.B)))
		text.B = base64.StdEncoding.AppendEncode(text.B, next.Body.B)
		next.Body.Free()
		next.Body = text
	}
	return s.Send(&next)
}

// appendBuf returns a buffer with what b and p hold. b is used up.
func appendBuf(b *mem.Buf, p []byte) *mem.Buf {
	have := 0
	if b != nil {
		have = len(b.B)
	}
	all := mem.Get(have + len(p))
	if b != nil {
		all.B = append(all.B, b.B...)
		b.Free()
	}
	all.B = append(all.B, p...)
	return all
}

func trailerMessage(fields []transport.Field) []byte {
	b := []byte{trailerFlag, 0, 0, 0, 0}
	for _, f := range fields {
		b = append(append(append(append(b, f.Name...), ": "...), f.Value...), "\r\n"...)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-5))
	return b
}
