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
	Limit                                       int // most bytes of a message; < 0: no limit, 0: the handler's
}

// A Handler makes calls of requests. It is immutable.
type Handler struct {
	opts    web.Options
	methods map[string]Method // by path
	codecs  []string          // content subtypes
	limit   int               // most bytes of a message; < 0: no limit
	shared  bool              // what is none of the protocols' is served by something else
}

// New returns a Handler for methods, by path, and the codecs with these names. Messages may have
// limit bytes, < 0: any number. shared says that something else serves requests that are none of
// the protocols'; if not, a request that looks like Connect's is taken for a call of an unknown
// method.
func New(opts web.Options, methods map[string]Method, codecs []string, limit int, shared bool) *Handler {
	return &Handler{opts: opts, methods: methods, codecs: codecs, limit: limit, shared: shared}
}

// limitOf returns the most bytes of a message of m; < 0: no limit.
func (h *Handler) limitOf(m Method) int {
	if m.Limit != 0 {
		return m.Limit
	}
	return h.limit
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
	wrongMethod
)

// A request is what a kind goes by.
type request struct {
	kind    kind
	subtype string // of the content type
	text    bool   // gRPC-Web in base64
}

// classify returns what a request is. header returns the first field of a name, "" if there is
// none.
func (h *Handler) classify(method, target string, header func(name string) string) request {
	path, query, _ := strings.Cut(target, "?")
	m, known := h.methods[path]
	media := mediaType(header("content-type"))
	r := h.byType(media)
	switch {
	case r.kind != other && method == "POST":
	case method == "OPTIONS" && (known || h.expects(header)) && header("origin") != "" && header("access-control-request-method") != "":
		return request{kind: preflight}
	case known && method == "GET" && m.NoSideEffects && !m.ClientStreams && !m.ServerStreams:
		return request{kind: connectGet}
	case method == "GET" && !known && r.kind == other && slices.Contains(strings.Split(query, "&"), "connect=v1"):
		return request{kind: connectGet} // of a method that is not here
	case method != "POST" && (known || r.kind != other):
		return request{kind: wrongMethod}
	case known && strings.HasPrefix(media, "application/"):
		r = request{kind: connectUnary, subtype: media[len("application/"):]}
	case method == "POST" && strings.HasPrefix(media, "application/") && h.knows(media[len("application/"):]) &&
		(!h.shared || header("connect-protocol-version") != ""):
		r = request{kind: connectUnary, subtype: media[len("application/"):]}
	}
	return r
}

// expects reports whether a preflight for a path that is no method's asks about a call all the
// same: the call's answer says that there is no such method, which a page sees only if it may call.
func (h *Handler) expects(header func(name string) string) bool {
	asked := header("access-control-request-headers")
	return !h.shared || strings.Contains(asked, "connect-protocol-version") || strings.Contains(asked, "x-grpc-web")
}

// byType returns what a request with a media type of one of the protocols' own is.
func (h *Handler) byType(media string) request {
	switch {
	case strings.HasPrefix(media, "application/grpc-web-text"):
		subtype, ok := suffix(media, "application/grpc-web-text")
		return request{when(ok, grpcWeb), subtype, true}
	case strings.HasPrefix(media, "application/grpc-web"):
		subtype, ok := suffix(media, "application/grpc-web")
		return request{when(ok, grpcWeb), subtype, false}
	case strings.HasPrefix(media, "application/connect+"):
		return request{kind: connectStream, subtype: media[len("application/connect+"):]}
	}
	return request{}
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

// Accepts reports whether a request is one of the protocols'. header returns the first field of a
// name, "" if there is none.
func (h *Handler) Accepts(method, target string, header func(name string) string) bool {
	return h.classify(method, target, header).kind != other
}

// Stream makes a call of a request, or returns nil if it is none of the protocols'. calls takes
// calls of gRPC.
func (h *Handler) Stream(s transport.ServerStream, head *transport.RequestHead, end bool, calls transport.ServerHandler) transport.Sink {
	r := h.classify(head.Method, head.Path, func(name string) string { return field(head, name) })
	if r.kind == other {
		return nil
	}
	o := h.originOf(head)
	switch {
	case !o.allowed:
		page := "the origin " + shorten(o.name)
		if o.name == "" {
			page = "other origins"
		}
		return answer(s, 403, nil, "requests from pages of "+page+" are not allowed (web.Options.AllowedOrigins)\n")
	case r.kind == preflight:
		return h.preflight(s, o)
	case r.kind == wrongMethod:
		return h.refuseMethod(s, o, head)
	}
	x := &exchange{ServerStream: s}
	inner := *head
	switch r.kind {
	case grpcWeb:
		h.grpcWeb(x, &inner, o, r.subtype, r.text)
	default:
		if sink := h.connect(x, &inner, o, r.kind, r.subtype); sink != nil {
			return sink
		}
	}
	return x.begin(&inner, end, calls)
}

// refuseMethod answers a request with an HTTP method that calls are not made with.
func (h *Handler) refuseMethod(s transport.ServerStream, o origin, head *transport.RequestHead) transport.Sink {
	allow, text := "POST", "calls are made with POST\n"
	path, _, _ := strings.Cut(head.Path, "?")
	if m := h.methods[path]; m.NoSideEffects && !m.ClientStreams && !m.ServerStreams {
		allow, text = "GET, POST", "calls of this method are made with GET and POST\n"
	} else if head.Method == "GET" {
		text = "calls are made with POST; GET is for methods without side effects (idempotency_level = NO_SIDE_EFFECTS)\n"
	}
	if head.Method == "HEAD" {
		text = ""
	}
	return answer(s, 405, h.appendCORS(o, []transport.Field{{Name: "allow", Value: allow}}), text)
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
