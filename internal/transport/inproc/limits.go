package inproc

import (
	"fmt"

	"github.com/naru-rpc/naru/internal/transport"
)

// HeaderLimits bound what one side accepts as a header section, as over HTTP/2. 0: no limit.
type HeaderLimits struct {
	Size   uint32 // as RFC 9113 §6.5.2 counts: names, values and 32 for each field
	Fields uint32
}

// LimitHeaders sets what the server accepts of requests and the client of responses. Not after the first Open.
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

// check refuses a header section that the receiver does not accept, as the HTTP/2 transport does when it knows the
// peer's SETTINGS_MAX_HEADER_LIST_SIZE.
func (l HeaderLimits) check(size int) error {
	if l.Size == 0 || int64(size) <= int64(l.Size) {
		return nil
	}
	return &transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: codeInternalError, Token: "peer_header_list",
		Reason: fmt.Sprintf("header list of %d bytes exceeds the %d bytes that the peer accepts (WithMaxHeaderListSize)", size, l.Size),
	}
}

func (l HeaderLimits) checkOut(out *transport.Out) error {
	if l.Size == 0 {
		return nil
	}
	if out.Head != nil {
		if err := l.check(headerSize(statusSize, out.Head.Fields)); err != nil {
			return err
		}
	}
	return l.check(headerSize(0, out.Trailers))
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

func (l HeaderLimits) tooMany(fields []transport.Field) *transport.Error {
	if l.Fields == 0 || int64(len(fields)) <= int64(l.Fields) {
		return nil
	}
	return &transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: codeEnhanceYourCalm, Token: "header_list",
		Reason: fmt.Sprintf("header list of %d bytes in %d fields, the limits are %d bytes and %d fields (WithMaxHeaderListSize, Limits.HeaderFields)",
			headerSize(0, fields), len(fields), l.Size, l.Fields),
	}
}

// HTTP/2 error codes, RFC 9113 §7.
const (
	codeInternalError   = 0x2
	codeRefusedStream   = 0x7
	codeEnhanceYourCalm = 0xb
)
