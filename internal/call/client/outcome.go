package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// headError checks the response head, which has been seen, against PROTOCOL-HTTP2.md. subtype is
// that of the request. nil: messages may follow.
func (a *attempt) headError(subtype string) *status.Status {
	ct := wire.FieldValue(a.head, wire.FieldContentType)
	got, ok := wire.ParseContentType(ct)
	if !ok || a.status != http.StatusOK {
		return a.notGRPC(ct)
	}
	if got != subtype && (orProto(got) != orProto(subtype)) {
		return status.Newf(codes.Internal, "response has content-type %s to a request of content-type %q", brief.Quote(ct), wire.ContentType(subtype))
	}
	if key := malformed(a.head); key != "" {
		return status.Newf(codes.Internal, "response header: malformed %s: not base64", key)
	}
	return nil
}

// malformed returns the name of the first field whose binary value is not base64, "" if there is
// none. A program must not take metadata that could not be read for metadata that was not sent.
func malformed(fields []transport.Field) (key string) {
	for i := range fields {
		if f := &fields[i]; metadata.IsBinary(f.Name) {
			if _, err := wire.AppendDecoded(nil, f.Name, f.Value); err != nil {
				return brief.Text(f.Name, brief.Most)
			}
		}
	}
	return ""
}

func orProto(subtype string) string {
	if subtype == "" {
		return "proto"
	}
	return subtype
}

// notGRPC is the status for a response of something else than a gRPC server, "HTTP to gRPC Status
// Code Mapping" (http-grpc-status-mapping.md).
func (a *attempt) notGRPC(contentType string) *status.Status {
	text := fmt.Sprintf("response is not gRPC: HTTP status %d", a.status)
	if t := http.StatusText(a.status); t != "" {
		text += " (" + t + ")"
	}
	text += ", content-type " + brief.Quote(contentType)
	if s := strings.TrimSpace(strings.ToValidUTF8(string(a.snippet), "")); s != "" {
		text += fmt.Sprintf(", body begins %q", s)
	}
	return status.New(codes.FromHTTPStatus(a.status), text)
}

// outcome is the status of an attempt that has ended, nil for OK. The messages are another matter.
func (a *attempt) outcome(subtype string) *status.Status {
	if a.stage == stageTrailersOnly {
		if wire.FieldValue(a.head, wire.FieldStatus) != "" && !a.foreign {
			return a.limited(a.head)
		}
	}
	if a.stage.headSeen() && (a.foreign || a.status != http.StatusOK) {
		return a.notGRPC(wire.FieldValue(a.head, wire.FieldContentType))
	}
	if a.closed != nil {
		s := transportStatus(a.closed)
		return s.WithMessage(peerName(a.sending.peer) + ": " + s.Message() + a.progress())
	}
	if a.problem != nil {
		return a.problem.Status()
	}
	if a.trailers != nil {
		if s := a.headError(subtype); s != nil && wire.FieldValue(a.trailers, wire.FieldStatus) == "0" {
			return s
		}
		return a.limited(a.trailers)
	}
	return status.New(codes.Internal, "response ended without trailers, so without a status")
}

// limited is the status in fields, which may have been cut at this side's limit of header lists. An
// error keeps its code then. OK does not: metadata is missing that the program may rely on.
func (a *attempt) limited(fields []transport.Field) *status.Status {
	if a.over == nil {
		return a.readable(fields)
	}
	if code := wire.FieldValue(fields, wire.FieldStatus); code != "" && code != "0" {
		if s := statusOf(fields); s != nil {
			return s.WithMessage(s.Message() + " [response trailer cut: " + a.over.Error() + "]")
		}
	}
	return status.New(codes.ResourceExhausted, "response trailer: "+a.over.Error()).WithCause(a.over)
}

// readable is the status in fields that came whole. Binary metadata that is not base64 is the
// server's fault: INTERNAL as in grpc-go, except that an error remains what it is.
func (a *attempt) readable(fields []transport.Field) *status.Status {
	s := statusOf(fields)
	key := malformed(fields)
	switch {
	case key == "":
		return s
	case s == nil:
		return status.Newf(codes.Internal, "response trailer: malformed %s: not base64", key)
	}
	return s.WithMessage(s.Message() + " [response trailer: malformed " + key + ": not base64]")
}

// statusOf reads a status from trailers. "grpc-status" missing is the server's fault: UNKNOWN.
func statusOf(fields []transport.Field) *status.Status {
	var code, message, details string
	for i := range fields {
		switch f := &fields[i]; f.Name {
		case wire.FieldStatus:
			code = f.Value
		case wire.FieldMessage:
			message = f.Value
		case wire.FieldDetails:
			details = f.Value
		}
	}
	switch code {
	case "0":
		return nil
	case "":
		return status.Newf(codes.Unknown, "response has no grpc-status; grpc-message is %s", brief.Quote(wire.PercentDecode(message)))
	}
	n, err := strconv.ParseUint(code, 10, 32)
	if err != nil {
		return status.Newf(codes.Unknown, "response has a malformed grpc-status %s; grpc-message is %s", brief.Quote(code), brief.Quote(wire.PercentDecode(message)))
	}
	if n > 16 {
		n = uint64(codes.Unknown)
	}
	return wire.ReceivedStatus(uint32(n), wire.PercentDecode(message), decodeBin(details))
}

// decodeBin decodes a -bin value with or without padding; nil if it is not base64.
func decodeBin(s string) []byte {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil
	}
	return b
}

// headerMD is the response's header. A trailers-only response has none.
func (a *attempt) headerMD() metadata.MD {
	if a.stage == stageTrailersOnly {
		return metadata.MD{}
	}
	return wire.MetadataOf(a.head)
}

func (a *attempt) trailerMD() metadata.MD {
	if a.stage == stageTrailersOnly {
		return wire.MetadataOf(a.head)
	}
	return wire.MetadataOf(a.trailers)
}

// prepareInbound finds codec and compression of the response. ctx is the call's.
func (a *attempt) prepareInbound(ctx context.Context, env *Env, out *wire.Encoder, limit wire.Limit) *status.Status {
	name := wire.FieldValue(a.head, wire.FieldEncoding)
	a.in = wire.Decoder{Codec: out.Codec, Encoding: name, Limit: limit, Hooks: out.Hooks, Meter: out.Meter}
	if name != "" && name != "identity" {
		if a.in.Decompressor = env.Registry.Compressor(name); a.in.Decompressor == nil {
			// compression.md: "... the client ... will result in an INTERNAL error status"
			return status.Newf(codes.Internal, "response has grpc-encoding %s, which was not offered", brief.Quote(name))
		}
		a.in.Expansion, a.in.ConnID, a.in.Ctx = &env.expansion, a.sending.peer.ID, ctx
	}
	return nil
}
