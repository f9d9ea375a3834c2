package http2

import (
	"math"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/header"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// headers applies a complete header section.
func (c *conn) headers(ev *h2.Event) *transport.Error {
	if c.role == h2.Server {
		return c.requestHeaders(ev)
	}
	return c.responseHeaders(ev)
}

func (c *conn) requestHeaders(ev *h2.Event) *transport.Error {
	c.lock()
	s, verdict, err := c.h.RecvHeaders(ev.StreamID, ev.End, false)
	if verdict == h2.Refuse {
		c.h.ResetID(ev.StreamID, frame.RefusedStream)
		c.mu.Unlock()
		c.counted(errStreamsOver)
		return c.flood(c.budget.ResetCaused(c.now))
	}
	if verdict == h2.NewHead && err == nil {
		if c.h.NoteHead(s, int(ev.Info.Size)); c.h.Heads > c.limits.heads() {
			c.h.Reset(s, frame.RefusedStream)
			c.mu.Unlock()
			c.counted(errHeadsOver)
			return c.flood(c.budget.ResetCaused(c.now))
		}
	}
	flooding := verdict == h2.Ignore && c.drain.err != nil && c.drain.err.Origin == transport.OriginLocal
	c.mu.Unlock()
	switch {
	case err != nil:
		return c.fault(err)
	case flooding: // it opens streams after it was told to stop
		return c.flood(c.budget.ResetCaused(c.now))
	}
	switch verdict {
	case h2.NewHead:
		return c.request(s.User.(*stream), ev)
	case h2.Trailers:
		return c.trailers(s.User.(*stream), ev)
	}
	return overBudget(c.budget.Odd(c.now, abuse.OddClosedStream))
}

// errStreamsOver counts streams beyond the limit that SETTINGS told the peer (RFC 9113 §5.1.2).
var errStreamsOver = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.RefusedStream), Token: reason.StreamsOverLimit,
	Reason: "peer opened more streams than it may (Limits.MaxConcurrentStreams)",
}

// heads is the most bytes of header lists that a connection's open streams may have together: half
// of what each may have. Header lists are kept as long as their calls.
func (l *Limits) heads() int {
	return int(min(uint64(l.Streams)*uint64(l.HeaderList/2), math.MaxInt))
}

// errHeadsOver counts streams refused for the header lists of those that are open.
var errHeadsOver = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.RefusedStream), Token: reason.HeadMemory,
	Reason: "header lists of the open streams are too large together (Limits.MaxHeaderListSize, Limits.MaxConcurrentStreams)",
}

// request opens a stream with its head.
func (c *conn) request(st *stream, ev *h2.Event) *transport.Error {
	var req header.Request
	if err := header.ParseRequest(ev.Fields, &req); err != nil {
		if !ev.Info.Truncated {
			return c.malformed(st, err)
		}
		req = header.Request{ContentLength: header.NoLength} // incomplete: the call will be refused
	}
	if req.ContentLength >= 0 {
		c.mu.Lock()
		err := st.ExpectLength(req.ContentLength)
		c.mu.Unlock()
		if err != nil {
			return c.fault(err)
		}
	}
	head := &c.tmp.reqHead
	*head = transport.RequestHead{
		Method: req.Method, Scheme: req.Scheme, Authority: req.Authority, Path: req.Path, Fields: req.Fields,
		Oversize: c.oversize(ev),
	}
	st.openedAt = c.now
	c.tmp.refused = 0
	st.sink = c.handler.Stream(st.server, head, ev.End)
	if c.tmp.refused == 0 {
		return nil
	}
	c.mu.Lock()
	finished := c.h.Finished
	c.mu.Unlock()
	return c.flood(c.budget.Refused(c.now, finished, c.tmp.refused))
}

// Refused implements transport.Refuser.
func (s *serverStream) Refused(weight int) { s.c.tmp.refused = weight }

// oversize is the reason to refuse a call whose header list exceeded the soft limit.
func (c *conn) oversize(ev *h2.Event) *transport.Error {
	if !ev.Info.Truncated {
		return nil
	}
	err := transport.HeaderListOver(ev.Info.Size, uint64(ev.Info.Fields), c.limits.HeaderList, c.limits.HeaderFields)
	c.counted(err)
	return err
}

// malformed resets a stream whose header section breaks RFC 9113 §8.1.1.
func (c *conn) malformed(st *stream, err *header.Error) *transport.Error {
	return c.streamFault(&h2.Error{StreamID: st.ID(), Code: frame.ProtocolError, Token: err.Token, Reason: err.Error()})
}

func (c *conn) responseHeaders(ev *h2.Event) *transport.Error {
	info := informational(ev)
	c.lock()
	c.pings.spoke()
	s, verdict, err := c.h.RecvHeaders(ev.StreamID, ev.End, info)
	c.mu.Unlock()
	if err != nil {
		return c.fault(err)
	}
	switch verdict {
	case h2.NewHead:
		return c.response(s.User.(*stream), ev)
	case h2.Trailers:
		return c.trailers(s.User.(*stream), ev)
	}
	if s == nil {
		return nil // late, for a call this side has canceled: not charged
	}
	return overBudget(c.budget.Odd(c.now, abuse.OddInterim))
}

// informational reports whether the section is an interim response (RFC 9110 §15.2).
func informational(ev *h2.Event) bool {
	return len(ev.Fields) > 0 && ev.Fields[0].Name == ":status" &&
		len(ev.Fields[0].Value) == 3 && ev.Fields[0].Value[0] == '1'
}

func (c *conn) response(st *stream, ev *h2.Event) *transport.Error {
	var resp header.Response
	if err := header.ParseResponse(ev.Fields, &resp); err != nil {
		if !ev.Info.Truncated {
			return c.malformed(st, err)
		}
		resp = header.Response{ContentLength: header.NoLength}
	}
	if resp.ContentLength >= 0 {
		c.mu.Lock()
		err := st.ExpectLength(resp.ContentLength)
		c.mu.Unlock()
		if err != nil {
			return c.fault(err)
		}
	}
	head := &c.tmp.respHead
	*head = transport.ResponseHead{Status: resp.Status, Fields: resp.Fields, Oversize: c.oversize(ev)}
	if ev.End {
		c.lock()
		c.endRemoteLocked(st)
		c.mu.Unlock()
	}
	st.csink.Head(head, ev.End)
	return nil
}

// trailers ends the peer's half with a header section.
func (c *conn) trailers(st *stream, ev *h2.Event) *transport.Error {
	if err := header.CheckTrailers(ev.Fields); err != nil {
		return c.malformed(st, err)
	}
	c.lock()
	c.endRemoteLocked(st)
	c.mu.Unlock()
	c.dataTo = nil // an idle connection keeps no stream alive
	if err := c.oversize(ev); err != nil {
		if s, ok := st.sink.(transport.OversizeSink); ok {
			s.TrailersOver(ev.Fields, err)
			return nil
		}
	}
	st.sink.Trailers(ev.Fields)
	return nil
}
