package serve

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// responseWriter is an http.ResponseWriter and http.Flusher on a stream. Like net/http's it is for
// one goroutine.
type responseWriter struct {
	stream   transport.ServerStream
	header   http.Header
	head     bool // a HEAD request: no body
	status   int  // 0: not decided
	sent     bool // the header is on its way
	trailers []string
	buf      *mem.Buf
	err      error
}

// Small writes are collected up to this, so that a handler that writes line by line does not send
// a frame for each.
const writeBuffer = 16 << 10

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Interim (1xx) responses are not sent.
func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	for _, list := range w.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			w.trailers = append(w.trailers, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
}

// Write implements http.ResponseWriter. It waits while the client is slow.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		if w.header["Content-Type"] == nil {
			w.header.Set("Content-Type", http.DetectContentType(p))
		}
		w.WriteHeader(http.StatusOK)
	}
	if w.head {
		return len(p), nil
	}
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	for n := 0; n < len(p); {
		if w.buf == nil {
			w.buf = mem.Get(writeBuffer)
		}
		k := min(len(p)-n, writeBuffer-len(w.buf.B))
		w.buf.B = append(w.buf.B, p[n:n+k]...)
		n += k
		if len(w.buf.B) == writeBuffer {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return len(p), w.err
}

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { _ = w.flush() } // the next Write returns it

// FlushError is what http.ResponseController calls.
func (w *responseWriter) FlushError() error { return w.flush() }

func (w *responseWriter) flush() error {
	if w.err != nil {
		w.buf.Free()
		w.buf = nil
		return w.err
	}
	out := &transport.Out{Body: w.buf}
	w.buf = nil
	if !w.sent {
		out.Head = w.makeHead()
	}
	if out.Body == nil && out.Head == nil {
		return nil
	}
	if w.err = w.stream.Send(out); w.err == nil {
		w.err = w.stream.AwaitSend(nil)
	}
	return w.err
}

func (w *responseWriter) makeHead() *transport.ResponseHead {
	w.sent = true
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	h := &transport.ResponseHead{Status: w.status}
	for key, values := range w.header {
		if forbidden(key) || w.isTrailer(key) {
			continue
		}
		for _, v := range values {
			h.Fields = append(h.Fields, transport.Field{Name: strings.ToLower(key), Value: oneLine(v)})
		}
	}
	return h
}

// isTrailer: fields that are sent at the end, declared in Trailer or named with the prefix.
func (w *responseWriter) isTrailer(key string) bool {
	if strings.HasPrefix(key, http.TrailerPrefix) {
		return true
	}
	for _, t := range w.trailers {
		if t == key {
			return true
		}
	}
	return false
}

// oneLine keeps a handler's mistake from becoming a malformed message (RFC 9113 §8.2.1).
func oneLine(v string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return ' '
		}
		return r
	}, strings.Trim(v, " \t"))
}

// finish ends the response.
func (w *responseWriter) finish() {
	if w.err != nil { // of the stream, or the header cannot be sent
		w.stream.Reset(internalError, reason.PeerHeaderList)
		w.status = -1
		return
	}
	out := &transport.Out{Body: w.buf, End: true}
	if !w.sent {
		if w.status == 0 {
			w.WriteHeader(http.StatusOK)
		}
		if _, ok := w.header["Content-Length"]; !ok && !w.head && w.status != http.StatusNoContent && w.status != http.StatusNotModified {
			n := 0
			if w.buf != nil {
				n = len(w.buf.B)
			}
			w.header["Content-Length"] = []string{strconv.Itoa(n)}
		}
		out.Head = w.makeHead()
	}
	w.buf = nil
	for key, values := range w.header {
		if !w.isTrailer(key) {
			continue
		}
		for _, v := range values {
			out.Trailers = append(out.Trailers, transport.Field{
				Name: strings.ToLower(strings.TrimPrefix(key, http.TrailerPrefix)), Value: oneLine(v),
			})
		}
	}
	sendOrReset(w.stream, out)
	w.status = -1
}
