package h2

import (
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// frame turns a whole frame (never DATA) into r.Scratch.ev. Its header has passed checkHeader.
func (r *Reader) frame(h frame.Header, p []byte) error {
	ev := &r.Scratch.ev
	switch h.Type {
	case frame.TypeHeaders:
		return r.headers(h, p)
	case frame.TypeContinuation:
		return r.continuation(h, p)
	case frame.TypeSettings:
		return r.settings(h, p)
	case frame.TypePushPromise:
		// §8.4: a client cannot push; §6.6: a server must not after ENABLE_PUSH of 0.
		return connError(frame.ProtocolError, "push_promise", "PUSH_PROMISE, which is not enabled")
	case frame.TypePing:
		ev.Kind, ev.Data = EventPing, p
		if h.Flags.Has(frame.FlagAck) {
			ev.Kind = EventPingAck
		}
	case frame.TypeGoAway:
		ev.Kind, ev.GoAway = EventGoAway, frame.ParseGoAway(p)
	case frame.TypeRSTStream:
		ev.Kind, ev.Code = EventReset, frame.ParseRSTStream(p)
	case frame.TypeWindowUpdate:
		inc, err := frame.ParseWindowUpdate(h, p)
		ev.Kind, ev.Increment = EventWindowUpdate, inc
		return r.scoped(h.StreamID, err)
	case frame.TypePriority:
		if err := h.Check(ownMaxFrameSize); err != nil {
			return r.scoped(h.StreamID, err)
		}
		_, err := frame.ParsePriority(h, p)
		return r.scoped(h.StreamID, err)
	}
	// §4.1: frames of unknown types MUST be ignored and discarded.
	ev.DataLen = int(h.Length)
	return nil
}

// scoped puts a stream's fault into the event and returns a connection's.
func (r *Reader) scoped(id uint32, err *frame.Error) error {
	if err == nil {
		return nil
	}
	e := fromFrame(id, err)
	if e.StreamID == 0 {
		return e
	}
	r.Scratch.ev.Err = e
	return nil
}

func (r *Reader) settings(h frame.Header, p []byte) error {
	if h.Flags.Has(frame.FlagAck) {
		r.Scratch.ev.Kind = EventSettingsAck
		return nil
	}
	st := frame.Settings(p)
	for i := range st.Len() {
		if err := st.At(i).Check(r.cfg.FromServer); err != nil {
			return fromFrame(0, err)
		}
	}
	r.Scratch.ev.Kind, r.Scratch.ev.Settings = EventSettings, st
	return nil
}

func (r *Reader) headers(h frame.Header, p []byte) error {
	fragment, ferr := frame.ParseHeaders(h, p)
	if err := r.scoped(h.StreamID, ferr); err != nil {
		return err
	}
	if f := r.budget.Headers(len(fragment)); f != nil {
		return fromFault(f)
	}
	end := h.Flags.Has(frame.FlagEndStream)
	if h.Flags.Has(frame.FlagEndHeaders) {
		return r.section(h.StreamID, end, fragment)
	}
	r.blockID, r.blockEnd = h.StreamID, end
	r.blockErr, r.Scratch.ev.Err = r.Scratch.ev.Err, nil
	r.block = append(r.block[:0], fragment...)
	return nil
}

// continuation collects a header block. What it may cost is bounded by the budget: the number of
// frames (CVE-2024-27316 and its kin send them without end), and the size of the block.
func (r *Reader) continuation(h frame.Header, p []byte) error {
	if r.blockID == 0 {
		// §6.10: CONTINUATION must follow HEADERS or CONTINUATION without END_HEADERS.
		return connError(frame.ProtocolError, "continuation_alone", "CONTINUATION on stream %d without a header block before it", h.StreamID)
	}
	last := h.Flags.Has(frame.FlagEndHeaders)
	if f := r.budget.Continuation(r.Now, len(p), last); f != nil {
		return fromFault(f)
	}
	r.block = append(r.block, p...)
	if !last {
		return nil
	}
	id, end := r.blockID, r.blockEnd
	r.blockID = 0
	r.Scratch.ev.Err = r.blockErr
	err := r.section(id, end, r.block)
	r.block = nil // long blocks are rare: an idle connection keeps none
	return err
}

// section decodes a complete block. That happens whatever becomes of its stream, as the
// decoder must stay in step (§4.3).
func (r *Reader) section(id uint32, end bool, block []byte) error {
	r.dec.Lend(&r.Scratch.Strings)
	fields, info, err := r.dec.Decode(r.Scratch.Fields[:0], block, &r.cfg.Limits)
	r.dec.Lend(nil)
	r.Scratch.Fields = fields
	if err != nil {
		return connError(frame.ErrCode(err.Code), err.Token, "%s", err.Reason)
	}
	r.Scratch.ev.Kind, r.Scratch.ev.StreamID, r.Scratch.ev.End = EventHeaders, id, end
	r.Scratch.ev.Fields, r.Scratch.ev.Info = fields, info
	return nil
}

// fromFault ends the connection over a used-up budget.
func fromFault(f *abuse.Fault) *Error {
	return &Error{Code: f.Code, Token: f.Token, Reason: f.Error()}
}
