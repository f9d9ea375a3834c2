package serve

import (
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// Stream implements transport.ServerHandler: it decides on the read loop what serves a request.
func (c *connection) Stream(s transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	subtype, ok := wire.ParseContentType(contentType(head))
	if !ok {
		return c.other(s, head, end)
	}
	if head.Oversize != nil {
		c.refusing(s, reason.HeaderList)
		return server.RefuseForGood(c, s, subtype, status.New(codes.ResourceExhausted, "request header: "+head.Oversize.Error()))
	}
	if head.Method != "POST" {
		c.refusing(s, reason.NotPost)
		// PROTOCOL-HTTP2.md: "Method → ":method POST"". RFC 9110 §15.5.6 wants the methods there
		// are.
		return server.Refuse(c, s, subtype, 405, status.Newf(codes.Internal, "gRPC calls use the method POST, not %s", brief.Quote(head.Method)),
			transport.Field{Name: "allow", Value: "POST"})
	}
	m := c.server.cfg.Methods[head.Path]
	if m == nil {
		if m = c.server.cfg.Unknown; m == nil {
			c.refusing(s, reason.UnknownMethod)
			unknown := c.server.unknown(head.Path)
			c.server.cfg.Env.Refused(s.Conn(), head.Path, unknown.Err())
			return server.Refuse(c, s, subtype, 200, unknown)
		}
	}
	return server.NewCall(c.server.cfg.Env, m, c, s, head, subtype, end)
}

func contentType(head *transport.RequestHead) string {
	for i := range head.Fields {
		if head.Fields[i].Name == "content-type" {
			return head.Fields[i].Value
		}
	}
	return ""
}

// unknown says what of a path is not known. Paths are compared byte by byte: what is not exactly a
// registered path, "//a/b" or "/a/b?c" or "/a%2fb", is unknown, for routing as for authorization.
func (s *Server) unknown(path string) *status.Status {
	service, method, ok := splitPath(path)
	switch {
	case !ok:
		return status.Newf(codes.Unimplemented, "malformed method name %s", brief.Quote(path))
	case s.cfg.Services[service]:
		return status.Newf(codes.Unimplemented, "unknown method %s of service %s", brief.Text(method, brief.Most), service)
	}
	return status.Newf(codes.Unimplemented, "unknown service %s", brief.Text(service, brief.Most))
}

// splitPath takes "/service/method" apart.
func splitPath(path string) (service, method string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return "", "", false
	}
	i := strings.LastIndexByte(rest, '/')
	if i <= 0 || i == len(rest)-1 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}

// other serves what is not gRPC.
func (c *connection) other(stream transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	if web := c.server.cfg.Web; web != nil {
		if sink := web.Stream(stream, head, end, c); sink != nil {
			return sink
		}
	}
	if c.server.cfg.HTTP == nil {
		c.refusing(stream, reason.NotGRPC)
		return refuseOther(stream, head, end)
	}
	return c.serveHTTP(stream, head, end)
}
