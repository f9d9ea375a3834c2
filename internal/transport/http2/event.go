package http2

import (
	"errors"
	"strconv"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// event applies one received event. A non-nil result ends the connection.
func (c *conn) event(ev *h2.Event) *transport.Error {
	if ev.Err != nil {
		if ev.Kind == h2.EventHeaders {
			c.mu.Lock()
			c.h.RecvMalformed(ev.StreamID)
			c.mu.Unlock()
		}
		return c.streamFault(ev.Err)
	}
	switch ev.Kind {
	case h2.EventHeaders:
		return c.headers(ev)
	case h2.EventData:
		return c.data(ev)
	case h2.EventReset:
		return c.reset(ev)
	case h2.EventSettings:
		return c.settings(ev)
	case h2.EventWindowUpdate:
		return c.windowUpdate(ev)
	case h2.EventPing:
		return c.ping(ev)
	case h2.EventPingAck:
		c.pong([8]byte(ev.Data))
		return overBudget(c.budget.Odd(c.now, abuse.OddAck))
	case h2.EventGoAway:
		return c.goAway(ev)
	case h2.EventSettingsAck:
		c.lock()
		c.h.RecvSettingsAck()
		if p := &c.pings; p.measuredAt != 0 && p.measure == 0 {
			c.h.SampleRTT(c.now - p.measuredAt)
			p.measuredAt = 0
		}
		c.mu.Unlock()
		return overBudget(c.budget.Odd(c.now, abuse.OddAck))
	}
	return c.odd(ev)
}

// fault handles an error of the protocol state: it ends the stream or the connection.
func (c *conn) fault(err error) *transport.Error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*h2.Error](err)
	if !ok || e.StreamID == 0 {
		return c.asFault(err)
	}
	return c.streamFault(e)
}

// streamFault resets the stream of e, tells its sink, and charges the peer: streams it makes us
// reset are how MadeYouReset (CVE-2025-8671) goes round a limit on streams.
func (c *conn) streamFault(e *h2.Error) *transport.Error {
	te := protocolError(e)
	c.lock()
	s := c.h.Stream(e.StreamID)
	var st *stream
	if s != nil {
		st = s.User.(*stream)
		st.endErr = te
	}
	c.h.ResetID(e.StreamID, e.Code)
	c.updateLocked()
	c.mu.Unlock()
	c.counted(te)
	if st != nil && st.sink != nil {
		st.sink.Closed(te)
	}
	return c.flood(c.budget.ResetCaused(c.now))
}

// flood ends the connection of a peer that made a flood of calls. A server drains it first, so that
// calls that others made through a proxy's connection are completed.
func (c *conn) flood(f *abuse.Fault) *transport.Error {
	if f == nil || !f.Drain || c.role == h2.Client {
		return overBudget(f)
	}
	c.lock()
	c.drainFloodLocked(overBudget(f))
	c.mu.Unlock()
	return nil
}

// overBudget ends the connection if a budget is used up.
func overBudget(f *abuse.Fault) *transport.Error {
	if f == nil {
		return nil
	}
	e := &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginLocal, Code: uint32(f.Code), Token: f.Token, Reason: f.Error() + " (WithLimits)",
	}
	if f.Debug != string(f.Token) {
		e.Reason = f.Debug // gRFC A8 prescribes the text
	}
	return e
}

// odd charges frames that do nothing, and those of unknown types once more for each KiB.
func (c *conn) odd(ev *h2.Event) *transport.Error {
	t := ev.Type
	if t == frame.TypeHeaders || t == frame.TypeContinuation {
		return nil // the beginning of a block, bounded by the Reader
	}
	kind := abuse.OddUnknownType
	if t == frame.TypePriority {
		kind = abuse.OddPriority
	}
	for range 1 + ev.DataLen>>10 {
		if f := c.budget.Odd(c.now, kind); f != nil {
			return overBudget(f)
		}
	}
	return nil
}

// data passes a piece of a DATA frame on.
func (c *conn) data(ev *h2.Event) *transport.Error {
	c.lock()
	c.pings.spoke()
	err := c.dataTargetLocked(ev)
	st := c.dataTo
	if st != nil {
		st.heard = true
		c.h.Delivered(&st.Stream, len(ev.Data))
		if ev.End && err == nil {
			err = c.h.RecvDataEnd(&st.Stream)
		}
	}
	end := st != nil && ev.End && err == nil
	if end {
		c.endRemoteLocked(st)
	}
	c.mu.Unlock()
	if err != nil {
		return c.fault(err)
	}
	if ev.End {
		c.dataTo = nil // an idle connection keeps no stream alive
	}
	if st != nil && (len(ev.Data) > 0 || end) {
		st.sink.Data(ev.Data, end)
	}
	if ev.First {
		return overBudget(c.budget.Data(c.now, ev.DataLen, ev.End))
	}
	return nil
}

// dataTargetLocked finds the stream the piece is for: c.dataTo, nil to drop it.
func (c *conn) dataTargetLocked(ev *h2.Event) error {
	if ev.First {
		c.dataTo = nil
		s, err := c.h.RecvData(ev.StreamID, ev.FlowLen, ev.DataLen)
		if s != nil {
			c.dataTo = s.User.(*stream)
		}
		return err
	}
	if c.dataTo != nil && c.dataTo.Closed {
		c.dataTo = nil // reset by us in the middle of the frame
	}
	return nil
}

// endRemoteLocked acts on the end of the peer's half.
func (c *conn) endRemoteLocked(st *stream) {
	if c.role == h2.Client && !st.LocalClosed {
		// The response is complete, so the rest of the request is not needed (RFC 9113 §8.1).
		c.h.Reset(&st.Stream, frame.NoError)
	} else {
		c.h.Settle(&st.Stream)
	}
	c.updateLocked()
}

// reset applies RST_STREAM.
func (c *conn) reset(ev *h2.Event) *transport.Error {
	c.lock()
	s, err := c.h.RecvReset(ev.StreamID)
	var st *stream
	var what abuse.Reset
	if s != nil {
		st = s.User.(*stream)
		st.endErr = resetError(ev.Code)
		what.Age, what.Bytes = c.now-st.openedAt, s.Received()
	}
	finished := c.h.Finished
	c.updateLocked()
	c.mu.Unlock()
	if err != nil {
		return c.fault(err)
	}
	if st != nil {
		what.Served = served(st.sink)
		st.sink.Closed(st.endErr)
	}
	if c.role == h2.Client {
		return nil // a server that resets our calls harms only those
	}
	return c.flood(c.budget.ResetReceived(c.now, finished, what))
}

// served reports whether a handler has begun with the call of a sink.
func served(sink transport.Sink) bool {
	k, ok := sink.(transport.Served)
	return ok && k.Served()
}

func resetError(code frame.ErrCode) *transport.Error {
	return &transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginPeer, Code: uint32(code), Token: reason.RSTStream,
		Reason: "peer reset the stream with " + code.String(),
		// RFC 9113 §8.7: REFUSED_STREAM guarantees that the request was not processed.
		Unprocessed: code == frame.RefusedStream,
	}
}

// settings applies SETTINGS.
func (c *conn) settings(ev *h2.Event) *transport.Error {
	if over := overBudget(c.budget.Settings(c.now, ev.Settings.Len())); over != nil {
		return over
	}
	c.lock()
	first := !c.h.SettingsSeen()
	err := c.h.RecvSettings(ev.Settings)
	c.updateLocked()
	over := c.controlLocked()
	c.mu.Unlock()
	if err != nil {
		return c.fault(err)
	}
	if first {
		c.deadline.kind = deadlineFrame // until nextDeadline says what else
		if c.ready != nil {
			close(c.ready)
		}
	}
	return over
}

func (c *conn) windowUpdate(ev *h2.Event) *transport.Error {
	c.lock()
	err := c.h.RecvWindowUpdate(ev.StreamID, ev.Increment)
	c.updateLocked()
	sent := c.h.Sent
	c.mu.Unlock()
	if err != nil {
		return c.fault(err)
	}
	return overBudget(c.budget.WindowUpdate(c.now, sent))
}

// goAway applies GOAWAY: streams above its last id were not processed.
func (c *conn) goAway(ev *h2.Event) *transport.Error {
	c.lock()
	dropped, err := c.h.RecvGoAway(ev.GoAway)
	var te *transport.Error
	if err == nil && c.role == h2.Client {
		code, debug, _ := c.h.PeerGoAway()
		te = goAwayError(code, debug)
		c.drainLocked(refusing)
		for _, s := range dropped {
			e := *te
			e.Scope, e.Unprocessed = transport.ScopeStream, true
			s.User.(*stream).endErr = &e
		}
	}
	c.updateLocked()
	c.mu.Unlock()
	if err != nil {
		return c.fault(err)
	}
	for _, s := range dropped {
		st := s.User.(*stream)
		st.sink.Closed(st.endErr)
	}
	return overBudget(c.budget.Odd(c.now, abuse.OddGoAway))
}

// tooManyPings is the debug data of servers that had too many pings (gRFC A8).
const tooManyPings = "too_many_pings"

func goAwayError(code frame.ErrCode, debug string) *transport.Error {
	e := &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginPeer, Code: uint32(code), Token: reason.GoAway,
		Reason: "peer closed the connection with GOAWAY " + code.String(),
	}
	if debug != "" {
		e.Reason += " (" + strconv.Quote(debug) + ")"
	}
	if code == frame.EnhanceYourCalm && debug == tooManyPings {
		e.Reason += ": the server rejected keepalive pings as too frequent; set a longer Keepalive.Interval, or Keepalive.PermittedInterval to what the server permits (WithKeepalive)"
	}
	return e
}
