package client

import (
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
)

// A stage is how far a response has come.
//
//	stageNothing --> stageHeader --> stageWhole
//	     |
//	     +---------> stageTrailersOnly
//	     |
//	     +---------> stageLost
type stage uint8

const (
	stageNothing      stage = iota
	stageHeader             // the head is here, and messages and trailers may follow
	stageWhole              // it ended after its head: with trailers, or because the stream was closed
	stageTrailersOnly       // its head was its trailers, too
	stageLost               // it ended without a head
)

func (s stage) ended() bool    { return s >= stageWhole }
func (s stage) headSeen() bool { return s != stageNothing && s != stageLost }

// afterEnd is the stage that the end of the stream leads to.
func (s stage) afterEnd() stage {
	switch s {
	case stageNothing:
		return stageLost
	case stageHeader:
		return stageWhole
	}
	return s
}

// An interest says whether a response is still wanted. What comes later is dropped, and nothing
// known of the response changes.
//
//	wanted --> dropped
//	   |
//	   +-----> expired
type interest uint8

const (
	wanted  interest = iota
	dropped          // the call is over, or has chosen another attempt
	expired          // the attempt's own time was up, see expire
)

// A response is what has come of an attempt's response, beside its messages.
type response struct {
	stage    stage
	interest interest
	silent   bool // the stream ended after the response was no longer wanted, when stage does not change
	foreign  bool // not a gRPC response: its body is kept as text
	status   int  // HTTP status
	head     []transport.Field
	trailers []transport.Field
	snippet  []byte
	problem  *wire.Problem
	closed   *transport.Error
	over     *transport.Error // the section with the status exceeded this side's limit, and was cut

	// what head and trailers lie in as long as they fit
	inlineHead     [8]transport.Field
	inlineTrailers [6]transport.Field
}

// maxSnippet is how much of a body that is not gRPC's the status quotes.
const maxSnippet = 200

func (r *response) reset() {
	r.stage, r.interest, r.silent, r.foreign, r.status = stageNothing, wanted, false, false, 0
	r.head, r.trailers, r.snippet = nil, nil, nil
	r.problem, r.closed, r.over = nil, nil, nil
	clear(r.inlineHead[:])
	clear(r.inlineTrailers[:])
}

// endedLocked reports whether the stream has ended.
func (r *response) endedLocked() bool { return r.stage.ended() || r.silent }

func (r *response) endStageLocked() {
	if r.interest == wanted {
		r.stage = r.stage.afterEnd()
	} else {
		r.silent = true
	}
}

// dropLocked says that the response is not wanted.
func (r *response) dropLocked() {
	if r.interest == wanted {
		r.interest = dropped
	}
}

// Head implements transport.ClientSink.
func (a *attempt) Head(h *transport.ResponseHead, end bool) {
	if !end && a.seen.WantsHead() {
		defer a.seen.Head(wire.MetadataOf(h.Fields))
	}
	defer a.tell()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.interest != wanted {
		a.silent = a.silent || end
		return
	}
	a.stage = stageHeader
	a.status = h.Status
	a.head = append(a.inlineHead[:0], h.Fields...)
	a.foreign = !isGRPC(h.Fields)
	if h.Oversize != nil {
		a.foreign = false
	}
	// A response that is only trailers is judged by what came of them, see limited.
	if h.Oversize != nil && !(end && wire.FieldValue(h.Fields, wire.FieldStatus) != "") {
		a.problem = &wire.Problem{Code: codes.ResourceExhausted, Text: "response header: " + h.Oversize.Error()}
		a.wakeLocked()
	}
	if end {
		a.stage, a.over = stageTrailersOnly, h.Oversize
		a.endLocked()
	} else {
		a.ringLocked()
		if !a.single {
			a.wakeLocked()
		}
	}
}

func isGRPC(fields []transport.Field) bool {
	_, ok := wire.ParseContentType(wire.FieldValue(fields, wire.FieldContentType))
	return ok
}

// Data implements transport.Sink.
func (a *attempt) Data(p []byte, end bool) {
	if end || a.run != nil && a.foreign { // foreign is the read loop's to set
		defer a.tell()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got += len(p)
	switch {
	case a.interest != wanted || a.problem != nil:
		a.consumeLocked(len(p))
	case a.foreign:
		a.snippet = append(a.snippet, p[:min(len(p), maxSnippet-len(a.snippet))]...)
		a.consumeLocked(len(p))
	default:
		a.addLocked(p)
	}
	if end {
		a.endLocked()
	}
}

// consumeLocked returns the credit for bytes that are dropped: at once if the stream is known, else
// release does.
func (a *attempt) consumeLocked(n int) {
	if a.sending.stream != nil {
		a.got -= n
		a.sending.stream.Consumed(n)
	}
}

func (a *attempt) addLocked(p []byte) {
	if a.problem = a.messages.Add(p); a.problem != nil {
		a.wakeLocked() // the goroutine that waits ends the attempt
		return
	}
	if a.sending.stream != nil {
		if begin, end, ok := a.messages.Want(); ok {
			a.sending.stream.Want(begin, end)
		}
	}
	if !a.single && a.messages.Ready() {
		a.wakeLocked()
	}
}

// Trailers implements transport.Sink.
func (a *attempt) Trailers(fields []transport.Field) {
	defer a.tell()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.interest != wanted {
		a.silent = true
		return
	}
	a.trailers = append(a.inlineTrailers[:0], fields...)
	a.endLocked()
}

// TrailersOver implements transport.OversizeSink.
func (a *attempt) TrailersOver(fields []transport.Field, err *transport.Error) {
	a.mu.Lock()
	a.over = err
	a.mu.Unlock()
	a.Trailers(fields)
}

// Closed implements transport.Sink.
func (a *attempt) Closed(err *transport.Error) {
	defer a.tell()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.interest == wanted {
		a.closed = err
	}
	a.endStageLocked()
	a.ringLocked()
	a.wakeLocked()
}

func (a *attempt) endLocked() {
	a.endStageLocked()
	if a.messages.Partial() && a.problem == nil && a.interest == wanted {
		a.problem = &wire.Problem{Code: codes.Internal, Text: "response ended in the middle of a message"}
	}
	a.ringLocked()
	a.wakeLocked()
}

// complete reports whether a response of one message can be judged.
func (a *attempt) complete() bool {
	return a.endedLocked() || a.problem != nil || a.foreign && len(a.snippet) == maxSnippet
}

// unprocessed reports whether the peer is known not to have acted on the attempt. One that has
// begun to answer and then says that it did nothing contradicts itself: the call may have run.
func (a *attempt) unprocessed() bool {
	return a.closed != nil && a.closed.Unprocessed && !a.stage.headSeen()
}

// committed reports whether a part of the response is here that another attempt's would contradict:
// "An RPC is committed when the client receives Response-Headers". A trailers-only response has
// none.
func (a *attempt) committed() bool {
	return a.stage.headSeen() && a.stage != stageTrailersOnly && !a.foreign
}

// unseen reports whether the connection was lost in the middle of a response of which the program
// was shown nothing. gRFC A6 has a header commit a call because the program may have seen it; a
// unary call shows header and message when all is here.
func (a *attempt) unseen() bool {
	return a.single && a.closed != nil && a.closed.Scope == transport.ScopeConn
}

// lastFields are the trailers, wherever they came.
func (a *attempt) lastFields() []transport.Field {
	if a.stage == stageTrailersOnly {
		return a.head
	}
	return a.trailers
}
