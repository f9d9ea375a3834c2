package webcall

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// Connect, connectrpc.com/docs/protocol. A unary call is a request of HTTP's: its message is the
// body, or for a GET in the query, and a status other than OK is an HTTP status and JSON. Streams
// are messages in envelopes that look like gRPC's, and end with one in JSON.

// ownFields are what Connect says in the header, and what is gRPC's to say.
var ownFields = []string{
	"content-type", "content-length", "content-encoding", "accept-encoding", "origin",
	"connect-protocol-version", "connect-timeout-ms", "connect-content-encoding", "connect-accept-encoding",
	"grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "te",
}

// connect prepares x and head. It returns a sink if the request is refused.
func (h *Handler) connect(x *exchange, head *transport.RequestHead, o origin, k kind, subtype string) transport.Sink {
	path, query, err := queryOf(head.Path)
	get := k == connectGet
	version := field(head, "connect-protocol-version")
	if get {
		subtype = query.Get("encoding")
		version = strings.TrimPrefix(query.Get("connect"), "v")
	}
	m, known := h.methods[path]
	stream := k == connectStream
	if !h.knows(subtype) || known && stream != (m.ClientStreams || m.ServerStreams) {
		return answer(x.ServerStream, 415, h.appendCORS(o, h.acceptPost(m, known)), "")
	}
	out := connectOutput{h: h, origin: o, subtype: subtype}
	if stream {
		x.out, x.malformed = &connectStreamOutput{out}, codes.InvalidArgument
	} else {
		x.out, x.malformed = &connectUnaryOutput{connectOutput: out, unknown: !known}, codes.InvalidArgument
	}
	var fault error
	switch {
	case err != nil:
		fault = fmt.Errorf("malformed query: %w", err)
	case version == "" && h.opts.RequireProtocolVersion:
		fault = fmt.Errorf("missing required protocol version: set connect-protocol-version, or in a GET connect=v1")
	case version != "" && version != "1":
		fault = fmt.Errorf("protocol version %q is not supported; want 1", shorten(version))
	}
	timeout, err := timeoutOf(field(head, "connect-timeout-ms"))
	if fault == nil {
		fault = err
	}
	encoding, accept := field(head, "content-encoding"), acceptOf(field(head, "accept-encoding"))
	if stream {
		encoding, accept = field(head, "connect-content-encoding"), field(head, "connect-accept-encoding")
	}
	in := &wholeInput{limit: h.limitOf(m), length: -1}
	if get {
		encoding = query.Get("compression")
		if in.message, err = messageOf(query.Get("message"), query.Get("base64")); fault == nil {
			fault = err
		}
		in.length = len(in.message)
		if !query.Has("message") && fault == nil {
			fault = fmt.Errorf("the query has no message")
		}
	} else if n, err := strconv.Atoi(field(head, "content-length")); err == nil && n >= 0 {
		in.length = n
	}
	in.compressed = encoding != "" && encoding != "identity"
	if x.in = in; stream {
		x.in = plain{}
	}
	if get && !known {
		return x.refuse(status.New(codes.Unimplemented, "unknown method "+shorten(path)))
	}
	if fault != nil {
		return x.refuse(status.New(codes.InvalidArgument, fault.Error()))
	}
	head.Path = path
	head.Fields = append(without(head.Fields, ownFields...), wire.Field("content-type", wire.ContentType(subtype)))
	if timeout != "" {
		head.Fields = append(head.Fields, wire.Field("grpc-timeout", timeout))
	}
	if encoding != "" {
		head.Fields = append(head.Fields, wire.Field("grpc-encoding", encoding))
	}
	if accept != "" {
		head.Fields = append(head.Fields, wire.Field("grpc-accept-encoding", accept))
	}
	return nil
}

// refuse ends the request with a status.
func (x *exchange) refuse(s *status.Status) transport.Sink {
	out := &transport.Out{End: true, Head: &transport.ResponseHead{Status: 200, Fields: []transport.Field{
		wire.Field("grpc-status", wire.CodeText(s.Code())), wire.Field("grpc-message", wire.PercentEncode(s.Message())),
	}}}
	if x.out.send(x.ServerStream, out) != nil {
		x.ServerStream.Reset(2, "") // over
	}
	return discard{x.ServerStream}
}

// acceptPost lists the content types that a method takes.
func (h *Handler) acceptPost(m Method, known bool) []transport.Field {
	prefixes := []string{"application/connect+", "application/"}
	if known && (m.ClientStreams || m.ServerStreams) {
		prefixes = prefixes[:1]
	} else if known {
		prefixes = prefixes[1:]
	}
	var types []string
	for _, p := range prefixes {
		for _, c := range h.codecs {
			types = append(types, p+c)
		}
	}
	return []transport.Field{wire.Field("accept-post", strings.Join(types, ", "))}
}

// acceptOf returns what of an accept-encoding a grpc-accept-encoding says: names, without weights
// (RFC 9110 §12.4.2), those of weight 0 left out.
func acceptOf(list string) string {
	if !strings.Contains(list, ";") {
		return list
	}
	var names []string
	for item := range strings.SplitSeq(list, ",") {
		name, params, _ := strings.Cut(item, ";")
		weight, _ := strings.CutPrefix(strings.TrimSpace(params), "q=")
		if q, err := strconv.ParseFloat(weight, 64); err != nil || q > 0 {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return strings.Join(names, ",")
}

// timeoutOf returns a grpc-timeout for connect-timeout-ms, "" for none.
func timeoutOf(ms string) (string, error) {
	if ms == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(ms, 10, 64)
	if err != nil || len(ms) > 10 {
		return "", fmt.Errorf("connect-timeout-ms %q is not 1 to 10 digits", shorten(ms))
	}
	return string(wire.AppendTimeout(nil, time.Duration(n)*time.Millisecond)), nil
}

// messageOf returns the message of a GET's query.
func messageOf(text, isBase64 string) ([]byte, error) {
	if isBase64 != "1" {
		return []byte(text), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, fmt.Errorf("message in the query is not URL-safe base64: %w", err)
	}
	return b, nil
}

// codeNames are Connect's names of the codes.
func codeName(c codes.Code) string {
	if c == codes.Canceled {
		return "canceled"
	}
	return strings.ToLower(c.Canonical().String())
}

// httpStatuses are the HTTP statuses of unary calls' codes, from 1 on.
var httpStatuses = [...]int{499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}

func httpStatus(c codes.Code) int {
	if c == 0 || int(c) > len(httpStatuses) {
		return 500
	}
	return httpStatuses[c-1]
}

// An ending is the end of a call: its status, and the metadata beside it.
type ending struct {
	status   *status.Status
	metadata []transport.Field
}

// endingOf reads trailers, or the head of a response that has nothing else.
func endingOf(fields []transport.Field) ending {
	var e ending
	var code uint64
	var message string
	var details []byte
	for _, f := range fields {
		switch f.Name {
		case wire.FieldStatus:
			code, _ = strconv.ParseUint(f.Value, 10, 32) // this side's own
		case wire.FieldMessage:
			message = wire.PercentDecode(f.Value)
		case wire.FieldDetails:
			details, _ = base64.RawStdEncoding.DecodeString(strings.TrimRight(f.Value, "="))
		case wire.FieldContentType, wire.FieldEncoding, wire.FieldAcceptEncoding, wire.FieldPushback:
		default:
			e.metadata = append(e.metadata, f)
		}
	}
	e.status = wire.ReceivedStatus(uint32(code), message, details)
	return e
}

// isGRPC reports whether a field is of gRPC's protocol.
func isGRPC(name string) bool {
	return slices.Contains([]string{
		wire.FieldContentType, wire.FieldEncoding, wire.FieldAcceptEncoding, wire.FieldStatus, wire.FieldMessage, wire.FieldDetails,
	}, name)
}
