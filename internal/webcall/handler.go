package webcall

import (
	"net/url"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/web"
)

// A Method is what has to be known of a method of the server's.
type Method struct {
	ClientStreams, ServerStreams, NoSideEffects bool
}

// A Handler makes calls of requests. It is immutable.
type Handler struct {
	opts    web.Options
	methods map[string]Method // by path
	codecs  []string          // content subtypes
	limit   int               // most bytes of a message; < 0: no limit
}

// New returns a Handler for methods, by path, and the codecs with these names. Messages may have limit
// bytes, < 0: any number.
func New(opts web.Options, methods map[string]Method, codecs []string, limit int) *Handler {
	return &Handler{opts: opts, methods: methods, codecs: codecs, limit: limit}
}

// A kind is what a request is.
type kind uint8

const (
	other kind = iota
	grpcWeb
	connectUnary
	connectGet
	connectStream
	preflight
)

// kindOf tells what a request is, with its content subtype.
func (h *Handler) kindOf(method, target, contentType string, origin, requestMethod string) (k kind, subtype string, text bool) {
	path, query, _ := strings.Cut(target, "?")
	m, known := h.methods[path]
	media := mediaType(contentType)
	switch {
	case strings.HasPrefix(media, "application/grpc-web-text"):
		subtype, ok := suffix(media, "application/grpc-web-text")
		return when(ok, grpcWeb), subtype, true
	case strings.HasPrefix(media, "application/grpc-web"):
		subtype, ok := suffix(media, "application/grpc-web")
		return when(ok, grpcWeb), subtype, false
	case strings.HasPrefix(media, "application/connect+"):
		return connectStream, media[len("application/connect+"):], false
	case !known:
		return other, "", false
	case method == "OPTIONS" && origin != "" && requestMethod != "":
		return preflight, "", false
	case method == "GET" && m.NoSideEffects && strings.Contains(query, "encoding="):
		return connectGet, "", false
	case method == "POST" && strings.HasPrefix(media, "application/"):
		return connectUnary, media[len("application/"):], false
	}
	return other, "", false
}

func when(ok bool, k kind) kind {
	if ok {
		return k
	}
	return other
}

// suffix returns what follows the "+" after prefix, "" if nothing follows.
func suffix(media, prefix string) (string, bool) {
	rest := media[len(prefix):]
	if rest == "" {
		return "", true
	}
	return strings.CutPrefix(rest, "+")
}

func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.Trim(media, " \t"))
}

// Accepts reports whether a request is one of the protocols'.
func (h *Handler) Accepts(method, target, contentType, origin, requestMethod string) bool {
	k, _, _ := h.kindOf(method, target, contentType, origin, requestMethod)
	return k != other
}

// Stream makes a call of a request, or returns nil if it is none of the protocols'. calls takes calls of
// gRPC.
func (h *Handler) Stream(s transport.ServerStream, head *transport.RequestHead, end bool, calls transport.ServerHandler) transport.Sink {
	k, subtype, text := h.kindOf(head.Method, head.Path, field(head, "content-type"), field(head, "origin"), field(head, "access-control-request-method"))
	if k == other {
		return nil
	}
	o := h.originOf(head)
	switch {
	case !o.allowed:
		return answer(s, 403, nil, "requests from pages of the origin "+shorten(o.name)+" are not allowed (web.Options.AllowedOrigins)\n")
	case k == preflight:
		return h.preflight(s, o)
	}
	x := &exchange{ServerStream: s}
	inner := *head
	switch k {
	case grpcWeb:
		h.grpcWeb(x, &inner, o, subtype, text)
	default:
		if sink := h.connect(x, &inner, o, k, subtype); sink != nil {
			return sink
		}
	}
	return x.begin(&inner, end, calls)
}

// answer ends a stream with a response of HTTP's.
func answer(s transport.ServerStream, status int, fields []transport.Field, text string) transport.Sink {
	out := &transport.Out{Head: &transport.ResponseHead{Status: status, Fields: fields}, End: true}
	if text != "" {
		out.Head.Fields = append(fields, transport.Field{Name: "content-type", Value: "text/plain; charset=utf-8"},
			transport.Field{Name: "x-content-type-options", Value: "nosniff"})
		out.Body = bufOf(text)
	}
	if s.Send(out) != nil {
		s.Reset(2, reason.PeerHeaderList) // INTERNAL_ERROR; no-op on a stream that is over
	}
	return server.Discard{Stream: s}
}

func bufOf(text string) *mem.Buf {
	b := mem.Get(len(text))
	b.B = append(b.B, text...)
	return b
}

// field returns the first field with this name.
func field(head *transport.RequestHead, name string) string {
	for i := range head.Fields {
		if head.Fields[i].Name == name {
			return head.Fields[i].Value
		}
	}
	return ""
}

func shorten(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// queryOf parses the query of a GET.
func queryOf(path string) (string, url.Values, error) {
	path, query, _ := strings.Cut(path, "?")
	v, err := url.ParseQuery(query)
	return path, v, err
}

func (h *Handler) knows(codec string) bool { return slices.Contains(h.codecs, codec) }
