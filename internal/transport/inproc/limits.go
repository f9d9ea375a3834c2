package inproc

import (
	"github.com/naru-rpc/naru/internal/transport"
)

// HeaderLimits bound what one side accepts as a header section, as over HTTP/2. 0: no limit.
type HeaderLimits struct {
	Size   uint32 // as RFC 9113 §6.5.2 counts: names, values and 32 for each field
	Fields uint32
}

// LimitHeaders sets what the server accepts of requests and the client of responses. Not after the
// first Open.
func (c *Conn) LimitHeaders(requests, responses HeaderLimits) {
	c.requests, c.responses = requests, responses
}

// headerSize is the size of fields, and of what the transport over HTTP/2 sends besides.
func headerSize(besides int, fields []transport.Field) int {
	size := besides
	for i := range fields {
		size += len(fields[i].Name) + len(fields[i].Value) + 32
	}
	return size
}

func requestSize(h *transport.RequestHead) int {
	besides := len(h.Method) + len(h.Scheme) + len(h.Authority) + len(h.Path) + 4*32 + len(":method:scheme:authority:path")
	return headerSize(besides, h.Fields)
}

// statusSize is the size of the field ":status: 200".
const statusSize = len(":status") + len("200") + 32

// check returns why a request head is not sent.
func (l HeaderLimits) check(size int) error {
	if l.fits(size) {
		return nil
	}
	return transport.HeadTooLarge(int64(size), int64(l.Size))
}

func (l HeaderLimits) fits(size int) bool { return l.Size == 0 || int64(size) <= int64(l.Size) }

// checkOut returns why a step of a response is not sent.
func (l HeaderLimits) checkOut(out *transport.Out) error {
	if out.Head != nil {
		if size := headerSize(statusSize, out.Head.Fields); !l.fits(size) {
			return &transport.HeaderListError{Section: out.HeadSection(), Size: int64(size), Limit: int64(l.Size)}
		}
	}
	if size := headerSize(0, out.Trailers); !l.fits(size) {
		return &transport.HeaderListError{Section: transport.SectionTrailer, Size: int64(size), Limit: int64(l.Size)}
	}
	return nil
}

// request is head as the server sees it: the sender does not know how many fields are too many.
func (l HeaderLimits) request(head *transport.RequestHead) *transport.RequestHead {
	if err := l.tooMany(head.Fields); err != nil {
		h := *head
		h.Fields, h.Oversize = head.Fields[:l.Fields], err
		return &h
	}
	return head
}

// response is request for responses.
func (l HeaderLimits) response(head *transport.ResponseHead) *transport.ResponseHead {
	if err := l.tooMany(head.Fields); err != nil {
		h := *head
		h.Fields, h.Oversize = head.Fields[:l.Fields], err
		return &h
	}
	return head
}

// deliverTrailers hands trailers to the client, with the reason if there are too many.
func (l HeaderLimits) deliverTrailers(sink transport.Sink, fields []transport.Field) {
	err := l.tooMany(fields)
	if over, ok := sink.(transport.OversizeSink); ok && err != nil {
		over.TrailersOver(fields[:l.Fields], err)
		return
	}
	sink.Trailers(fields)
}

func (l HeaderLimits) tooMany(fields []transport.Field) *transport.Error {
	if l.Fields == 0 || int64(len(fields)) <= int64(l.Fields) {
		return nil
	}
	return transport.HeaderListOver(uint64(headerSize(0, fields)), uint64(len(fields)), l.Size, l.Fields)
}

// codeRefusedStream, RFC 9113 §7.
const codeRefusedStream = 0x7
