package serve

import (
	"io"
	"net/http"
	"strconv"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/nethttp"
)

// newMounted makes what carries calls over the requests of a net/http server, with the limits of
// the HTTP/2 side.
func (s *Server) newMounted() *nethttp.Server {
	limits := s.cfg.HTTP2.Resolved()
	return nethttp.New(nethttp.Config{
		Open: func(nc *nethttp.Conn) transport.ServerHandler {
			c := newConnection(s)
			if !s.add(c, nc) {
				return nil
			}
			return c
		},
		Closed:       func(h transport.ServerHandler) { h.(*connection).ConnDone() },
		Refuse:       refuseStopped,
		HeaderList:   limits.HeaderList,
		HeaderFields: limits.HeaderFields,
		StreamWindow: limits.StreamWindow, MaxStreamWindow: limits.MaxStreamWindow,
		ReceiveMemory: limits.ReceiveMemory,
		ZeroWindow:    limits.ZeroWindow,
		Backlog:       limits.Backlog,
		Memory:        nethttp.NewMemory(limits.ServerMemory, s.cfg.HTTP2.HeldBytes()),
		Count:         s.count,
	})
}

// ServeHTTP serves a request that a server of net/http's has accepted.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, isGRPC := wire.ParseContentType(r.Header.Get("Content-Type"))
	switch {
	case isGRPC && r.ProtoMajor >= 2:
		s.mounted.ServeHTTP(w, r)
	case !isGRPC && s.acceptsWeb(r):
		s.mounted.ServeHTTP(w, r)
	case isGRPC:
		s.ends.Add(reason.HTTP1GRPC)
		answerText(w, http.StatusHTTPVersionNotSupported, "gRPC needs HTTP/2, and this request came with "+r.Proto+"\n")
	case s.cfg.HTTP != nil:
		s.cfg.HTTP.ServeHTTP(w, r)
	default:
		s.ends.Add(reason.NotGRPC)
		answerText(w, http.StatusUnsupportedMediaType, notGRPC)
	}
}

// isCall reports whether ServeHTTP makes a call of r, or refuses it as one.
func (s *Server) isCall(r *http.Request) bool {
	_, isGRPC := wire.ParseContentType(r.Header.Get("Content-Type"))
	return isGRPC || s.acceptsWeb(r)
}

func (s *Server) acceptsWeb(r *http.Request) bool {
	return s.cfg.Web != nil && s.cfg.Web.Accepts(r.Method, r.URL.RequestURI(), r.Header.Get)
}

// notGRPC is the answer to what nothing is there to serve.
const notGRPC = "this server speaks gRPC: content-type must be application/grpc\n"

func answerText(w http.ResponseWriter, code int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // a client that is gone needs no answer
}

// refuseStopped answers a request that came when the server was shutting down. Closing the
// connection makes the client go to another server with the next one.
func refuseStopped(w http.ResponseWriter, r *http.Request) {
	const text = "the server is shutting down"
	w.Header().Set("Connection", "close")
	if _, ok := wire.ParseContentType(r.Header.Get("Content-Type")); !ok {
		answerText(w, http.StatusServiceUnavailable, text+"\n")
		return
	}
	h := w.Header()
	h.Set("Content-Type", r.Header.Get("Content-Type"))
	h.Set("Grpc-Status", strconv.Itoa(int(codes.Unavailable)))
	h.Set("Grpc-Message", text)
	w.WriteHeader(http.StatusOK)
}
