package webcall

import (
	"slices"
	"strings"

	"github.com/naru-rpc/naru/internal/transport"
)

// protocolHeaders are request headers of the protocols that a page has to be allowed to send.
const protocolHeaders = "content-type,connect-protocol-version,connect-timeout-ms,connect-accept-encoding," +
	"connect-content-encoding,content-encoding,accept-encoding,grpc-timeout,grpc-encoding,grpc-accept-encoding,x-grpc-web,x-user-agent"

// An origin is who sent a request, as far as a browser tells.
type origin struct {
	name    string // "": not from a page of another origin
	allowed bool
}

// originOf finds out whose page a request is from. A page of the server's own origin is recognized
// by the host alone: before the server, something else may have ended TLS.
func (h *Handler) originOf(head *transport.RequestHead) origin {
	name := field(head, "origin")
	if name == "" {
		// A browser sends no origin with the GET of an image or a script. Fetch Metadata tells
		// those that a page of another site, or of another host of the same, has asked for.
		site := field(head, "sec-fetch-site")
		foreign := site == "cross-site" || site == "same-site"
		return origin{allowed: !foreign || slices.Contains(h.opts.AllowedOrigins, "*")}
	}
	if _, host, ok := strings.Cut(name, "://"); ok && host == head.Authority {
		return origin{allowed: true}
	}
	allowed := slices.Contains(h.opts.AllowedOrigins, name) || slices.Contains(h.opts.AllowedOrigins, "*")
	return origin{name, allowed}
}

// appendCORS appends what lets the page of another origin see a response with these fields.
func (h *Handler) appendCORS(o origin, fields []transport.Field) []transport.Field {
	if len(h.opts.AllowedOrigins) > 0 {
		fields = append(fields, transport.Field{Name: "vary", Value: "origin"})
	}
	if o.name == "" {
		return fields
	}
	var names []string
	for _, f := range fields {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	fields = h.appendAllow(o, fields)
	return append(fields, transport.Field{Name: "access-control-expose-headers", Value: strings.Join(names, ",")})
}

func (h *Handler) appendAllow(o origin, fields []transport.Field) []transport.Field {
	allow := o.name
	if !h.opts.AllowCredentials && slices.Contains(h.opts.AllowedOrigins, "*") {
		allow = "*"
	}
	fields = append(fields, transport.Field{Name: "access-control-allow-origin", Value: allow})
	if h.opts.AllowCredentials {
		fields = append(fields, transport.Field{Name: "access-control-allow-credentials", Value: "true"})
	}
	return fields
}

// preflight answers a browser that asks whether a page may call.
func (h *Handler) preflight(s transport.ServerStream, o origin) transport.Sink {
	fields := []transport.Field{{Name: "vary", Value: "origin,access-control-request-method,access-control-request-headers"}}
	headers := protocolHeaders
	if len(h.opts.AllowedHeaders) > 0 {
		headers += "," + strings.ToLower(strings.Join(h.opts.AllowedHeaders, ","))
	}
	fields = append(h.appendAllow(o, fields),
		transport.Field{Name: "access-control-allow-methods", Value: "POST,GET"},
		transport.Field{Name: "access-control-allow-headers", Value: headers},
		transport.Field{Name: "access-control-max-age", Value: "7200"})
	return answer(s, 204, fields, "")
}
