package serve

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// httpStream is a request that is not gRPC, served by an http.Handler on our own streams.
type httpStream struct {
	conn   *connection
	stream transport.ServerStream
	req    *http.Request
	body   httpBody
	cancel context.CancelCauseFunc
	w      responseWriter

	// guarded by mu
	mu    sync.Mutex
	stage httpStage
}

// An httpStage is how far a request has come.
type httpStage uint8

const (
	httpWaits    httpStage = iota
	httpRuns               // the handler was called
	httpOutlives           // it runs and its stream is gone: it counts as an orphan
	httpOver
)

// enter moves the request on and returns the stage before. What is over remains over.
func (h *httpStream) enter(next httpStage) (before httpStage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before = h.stage
	if next == httpOutlives && before != httpRuns {
		return before
	}
	h.stage = next
	return before
}

// serveHTTP builds the request on the read loop, where the head is lent, and lets a worker serve
// it.
func (c *connection) serveHTTP(stream transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	target, err := requestURL(head)
	if err != nil || head.Oversize != nil {
		return refuseHTTP(stream, head.Oversize != nil)
	}
	h := &httpStream{conn: c, stream: stream}
	ctx, cancel := context.WithCancelCause(context.Background())
	h.cancel = cancel
	info := stream.Conn()
	req := &http.Request{
		Method: head.Method, URL: target, Host: head.Authority, RequestURI: head.Path,
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: httpHeader(head.Fields), ContentLength: -1,
		TLS: tlsState(info),
	}
	if info.Remote != nil {
		req.RemoteAddr = info.Remote.String()
	}
	if n, err := strconv.ParseInt(req.Header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		req.ContentLength = n
	}
	h.body.init(stream, end)
	req.Body = &h.body
	if end {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	h.req = req.WithContext(ctx)
	h.w = responseWriter{stream: stream, header: make(http.Header), head: head.Method == http.MethodHead}
	c.begin(h)
	return h
}

func tlsState(info *transport.ConnInfo) *tls.ConnectionState { return info.TLS }

func requestURL(head *transport.RequestHead) (*url.URL, error) {
	if head.Path == "*" {
		return &url.URL{Path: "*"}, nil
	}
	return url.ParseRequestURI(head.Path)
}

// httpHeader makes a Header of the fields. RFC 9113 §8.2.3: cookie crumbs "MUST be concatenated
// into a single octet string using the two-octet delimiter of 0x3b, 0x20" before they reach a
// generic HTTP server application.
func httpHeader(fields []transport.Field) http.Header {
	h := make(http.Header, len(fields))
	for i := range fields {
		key := http.CanonicalHeaderKey(fields[i].Name)
		if key == "Cookie" && len(h[key]) > 0 {
			h[key][0] += "; " + fields[i].Value
			continue
		}
		h[key] = append(h[key], fields[i].Value)
	}
	return h
}

func refuseHTTP(stream transport.ServerStream, tooLarge bool) transport.Sink {
	code := http.StatusBadRequest
	if tooLarge {
		code = http.StatusRequestHeaderFieldsTooLarge
	}
	sendOrReset(stream, &transport.Out{Head: &transport.ResponseHead{Status: code}, End: true})
	return server.Discard{Stream: stream}
}

// sendOrReset ends a stream with out. If the peer accepts no header section of that size, it is
// reset: what has been answered must end.
func sendOrReset(stream transport.ServerStream, out *transport.Out) {
	if err := stream.Send(out); err != nil {
		stream.Reset(internalError, reason.PeerHeaderList) // no-op on a stream that is over
	}
}

// Run implements Task.
func (h *httpStream) Run() {
	h.enter(httpRuns)
	returned := false
	defer func() {
		// http.ErrAbortHandler is the documented way to end a response without a word.
		if r := recover(); r != nil {
			if r != http.ErrAbortHandler {
				h.conn.server.log(slog.LevelError, reason.HTTPHandlerPanicked, "naru: http handler panicked", "path", brief.Text(h.req.URL.Path, brief.Most),
					"peer", h.stream.Conn().Peer(), "panic", r, "stack", string(debug.Stack()))
			}
		}
		if !returned {
			h.stream.Reset(internalError, reason.HTTPHandlerAborted)
		}
		h.body.finish()
		h.cancel(nil)
		if h.enter(httpOver) == httpOutlives {
			h.conn.orphan(nil, -1)
		}
		h.conn.finished()
	}()
	h.conn.server.cfg.HTTP.ServeHTTP(&h.w, h.req)
	h.w.finish()
	returned = true
}

// internalError, RFC 9113 §7.
const internalError = 0x2

// Served implements transport.Served.
func (h *httpStream) Served() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stage != httpWaits
}

// Data implements transport.Sink.
func (h *httpStream) Data(p []byte, end bool) { h.body.add(p, end) }

// Trailers implements transport.Sink.
func (h *httpStream) Trailers(fields []transport.Field) {
	h.body.trailer(h.req, httpHeader(fields))
}

// Closed implements transport.Sink.
func (h *httpStream) Closed(err *transport.Error) {
	h.body.fail(err)
	h.cancel(err)
	switch h.enter(httpOutlives) {
	case httpWaits:
		if h.conn.withdraw(h) {
			h.body.finish()
		}
	case httpRuns:
		h.conn.orphan(nil, 1)
	}
}

// forbidden are response fields HTTP/2 does not allow (RFC 9113 §8.2.2), and the one that names
// trailers, which is for this side.
func forbidden(key string) bool {
	switch strings.ToLower(key) {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "trailer":
		return true
	}
	return false
}
