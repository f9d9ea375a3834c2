package nethttp

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// step is a transport.Out as it is queued: what was lent is copied.
type step struct {
	status   int         // 0: no head
	head     http.Header // of the response
	body     *mem.Buf
	end      bool
	trailers http.Header // their keys have http.TrailerPrefix
}

func newStep(out *transport.Out) step {
	s := step{body: out.Body, end: out.End}
	if out.Head != nil {
		s.status, s.head = out.Head.Status, header("", out.Head.Fields)
		if out.End && len(out.Trailers) == 0 && s.head["Content-Length"] == nil && s.status != http.StatusNoContent {
			s.head["Content-Length"] = []string{strconv.Itoa(s.size())}
		}
	}
	if len(out.Trailers) > 0 {
		s.trailers = header(http.TrailerPrefix, out.Trailers)
	}
	return s
}

func header(prefix string, fields []transport.Field) http.Header {
	h := make(http.Header, len(fields))
	for i := range fields {
		key := prefix + http.CanonicalHeaderKey(fields[i].Name)
		h[key] = append(h[key], fields[i].Value)
	}
	return h
}

func (s *step) size() int {
	if s.body == nil {
		return 0
	}
	return len(s.body.B)
}

// serve runs the stream to its end, and reports whether the response is complete.
func (st *stream) serve(r *http.Request) bool {
	c := st.conn
	cfg := &c.server.cfg
	end := r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0
	st.deliver.Lock()
	head := requestHead(r, cfg.HeaderList, cfg.HeaderFields)
	if head.Oversize != nil {
		cfg.Count(&c.info, head.Oversize)
	}
	if end {
		st.endRequest()
	}
	st.sink = c.handler.Stream(st, head, end)
	st.deliver.Unlock()
	var read chan struct{}
	if !end {
		read = make(chan struct{})
		go st.read(read)
	}
	complete := st.write(r.Context())
	if read != nil {
		st.stopReading(read, complete)
	}
	return complete
}

// write writes the response as it comes. It returns whether it is complete, or false when the
// stream is over.
func (st *stream) write(ctx context.Context) bool {
	c := st.conn
	for {
		c.mu.Lock()
		if st.over != nil {
			c.mu.Unlock()
			return false
		}
		queue := st.queue
		st.queue = nil
		c.mu.Unlock()
		if len(queue) == 0 {
			select {
			case <-st.work:
			case <-ctx.Done():
				st.fail(lost(context.Cause(ctx)))
			}
			continue
		}
		if err := st.writeSteps(queue); err != nil {
			st.fail(lost(err))
			return false
		}
		if queue[len(queue)-1].end {
			return true
		}
		c.server.cfg.Memory.shed()
	}
}

// lost is the end of a request whose client is gone, as far as net/http tells.
func lost(err error) *transport.Error {
	return &transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginPeer, Code: codeCancel, Token: reason.RequestGone,
		Reason: "the client has ended the request, or is gone", Cause: err,
	}
}

// writeSteps writes steps, of which the last may end the response, and frees them.
func (st *stream) writeSteps(queue []step) (err error) {
	for i := range queue {
		s := &queue[i]
		n := s.size()
		if err == nil {
			err = st.writeStep(s)
		} else {
			st.conn.mu.Lock()
			st.wroteLocked(n)
			st.conn.mu.Unlock()
		}
		s.body.Free()
	}
	if err == nil && !queue[len(queue)-1].end {
		err = st.rc.Flush()
	}
	return err
}

func (st *stream) writeStep(s *step) error {
	if s.status != 0 {
		h := st.w.Header()
		for key, values := range s.head {
			h[key] = values
		}
		if st.conn.isDraining() || st.http1 && !st.isRequested() {
			// On HTTP/2, net/http makes a GOAWAY of it. On HTTP/1.1 a connection is of no further
			// use when its request was answered unread, and a client that is not told so sends the
			// next one on it.
			h["Connection"] = []string{"close"}
		}
		st.w.WriteHeader(s.status)
	}
	if err := st.writeBody(s); err != nil {
		return err
	}
	if s.end {
		h := st.w.Header()
		for key, values := range s.trailers {
			h[key] = values
		}
	}
	return nil
}

func (st *stream) isRequested() bool {
	st.conn.mu.Lock()
	defer st.conn.mu.Unlock()
	return st.requested
}

// chunk is how much is written at once of a response whose progress is watched.
const chunk = 64 << 10

func (st *stream) writeBody(s *step) error {
	c := st.conn
	if s.body == nil {
		if s.end {
			st.limitWrite() // what net/http holds back is written when ServeHTTP has returned
		}
		return nil
	}
	for b := s.body.B; ; {
		c.mu.Lock()
		ended := st.ended
		c.mu.Unlock()
		n := len(b)
		if ended {
			st.limitWrite()
			n = min(n, chunk)
		}
		var err error
		if n > 0 {
			_, err = st.w.Write(b[:n])
		}
		b = b[n:]
		if err != nil {
			n += len(b)
		}
		c.mu.Lock()
		st.wroteLocked(n)
		c.mu.Unlock()
		if err != nil || len(b) == 0 {
			return err
		}
	}
}

// limitWrite bounds how long a finished response may wait for its client: Config.ZeroWindow
// without progress, and until nobody waits for it.
func (st *stream) limitWrite() {
	by := time.Now().Add(st.conn.server.cfg.ZeroWindow)
	st.conn.mu.Lock()
	if !st.answerBy.IsZero() && st.answerBy.Before(by) {
		by = st.answerBy
	}
	st.conn.mu.Unlock()
	st.setWriteDeadline(by)
}

// interruptWrite ends a write that waits for the client.
func (st *stream) interruptWrite() { st.setWriteDeadline(time.Unix(1, 0)) }

// setWriteDeadline does nothing once ServeHTTP has returned, or if a response writer of a handler
// around this one knows no deadlines: then net/http's own settings decide.
func (st *stream) setWriteDeadline(t time.Time) {
	st.control.Lock()
	defer st.control.Unlock()
	if !st.retired {
		_ = st.rc.SetWriteDeadline(t)
	}
}

// retire notes that ServeHTTP returns: what is still queued goes nowhere.
func (st *stream) retire() {
	st.control.Lock()
	st.retired = true
	st.control.Unlock()
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	st.cutLocked(errOver)
	st.muted = true
	c.recv.Close(&st.recv, c.now())
	for i := range st.queue {
		st.wroteLocked(st.queue[i].size())
		st.queue[i].body.Free()
	}
	st.queue = nil
	if st.ended {
		c.backlog.streams--
		c.backlogLocked()
	}
}
