package call

import (
	"slices"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/status"
)

// streamHedge hedges a call whose client sends a stream. Until one attempt is chosen, what the program sends is
// kept and goes to every attempt, and each new one is given all of it. The first attempt with a response head is
// chosen; or, when more was sent than is kept, one that is open.
//
// The deciding goroutine is run; it ends when an attempt is chosen or the stream has ended.
type streamHedge struct {
	hedge
	stream *ClientStream
	chosen chan struct{} // closed when stream.attempt is set or the call has failed
	full   chan struct{} // capacity 1: somebody waits to send more than is kept
	joined chan struct{} // capacity 1: live has grown

	// guarded by stream.openMu
	live []*hedged // open, and neither failed nor chosen
	over bool      // chosen is closed

	// guarded by stream.mu
	winner *hedged // the attempt that is the stream's; its context ends with the stream
}

// newStreamHedge prepares a hedged stream. run begins it.
func newStreamHedge(s *ClientStream, p *HedgingPolicy) *streamHedge {
	h := &streamHedge{
		hedge:  hedge{call: &s.clientCall, policy: p, head: true, results: make(chan *hedged, p.MaxAttempts)},
		stream: s,
		chosen: make(chan struct{}),
		full:   make(chan struct{}, 1),
		joined: make(chan struct{}, 1),
	}
	h.launch, h.lost = h.join, h.leave
	return h
}

func (h *streamHedge) run() {
	timer := time.NewTimer(h.policy.Delay)
	defer timer.Stop()
	h.start()
	var full, joined <-chan struct{} = h.full, nil
	for {
		if h.policy.Delay == 0 {
			h.startAll()
		}
		select {
		case r := <-h.results:
			h.running--
			if r.err == nil {
				h.choose(r)
				return
			}
			next, final := h.failed(r)
			if final {
				h.fail(r)
				return
			}
			if next >= 0 {
				timer.Reset(next)
			}
		case <-timer.C:
			h.another()
			timer.Reset(max(h.policy.Delay, time.Millisecond))
		case <-full:
			full, joined = nil, h.joined
			if h.chooseOpen() {
				return
			}
		case <-joined:
			if h.chooseOpen() {
				return
			}
		case <-h.stream.Ended():
			h.stream.openMu.Lock()
			h.over, h.live = true, nil
			close(h.chosen)
			h.stream.openMu.Unlock()
			h.end(nil, false)
			return
		}
	}
}

// join opens an attempt, sends it what was sent so far, and waits for its answer.
func (h *streamHedge) join(r *hedged) error {
	a := r.attempt
	a.reset(r.maxReceive)
	done, err := r.open(a, nil, false, func() (*mem.Buf, error) { return nil, nil })
	if err != nil {
		return err
	}
	h.sent(r, done)
	s := h.stream
	s.openMu.Lock()
	if h.over {
		s.openMu.Unlock()
		return errSlower
	}
	for _, b := range s.replay {
		_ = a.stream.Send(clone(b), false) // an attempt that has ended is found out below
	}
	if s.halfClosed {
		_ = a.stream.Send(nil, true)
	}
	h.live = append(h.live, r)
	s.openMu.Unlock()
	notify(h.joined)
	return r.answer(true)
}

var errSlower = status.Error(codes.Canceled, "another attempt was faster")

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // a token of before is there
	}
}

// leave takes a failed attempt out, unless the stream goes on with it.
func (h *streamHedge) leave(r *hedged) bool {
	h.stream.openMu.Lock()
	defer h.stream.openMu.Unlock()
	h.live = slices.DeleteFunc(h.live, func(l *hedged) bool { return l == r })
	return !r.picked
}

// chooseOpen chooses an attempt although none has answered, if one is open.
func (h *streamHedge) chooseOpen() (chosen bool) {
	h.stream.openMu.Lock()
	if len(h.live) == 0 {
		h.stream.openMu.Unlock()
		return false
	}
	r := h.live[0]
	adopted := h.adoptLocked(r)
	h.stream.openMu.Unlock()
	h.end(r, adopted)
	return true
}

// choose makes r's attempt, which has answered, the stream's.
func (h *streamHedge) choose(r *hedged) {
	h.stream.openMu.Lock()
	adopted := h.adoptLocked(r)
	h.stream.openMu.Unlock()
	h.end(r, adopted)
	if !adopted {
		r.finish(errSlower)
	}
}

// adoptLocked makes r's attempt the stream's, unless the stream has ended. stream.openMu is held.
func (h *streamHedge) adoptLocked(r *hedged) bool {
	s := h.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	h.over, h.live = true, nil
	s.commit()
	defer close(h.chosen)
	if s.over {
		return false
	}
	r.picked = true
	h.winner = r
	s.attempt, s.done, s.conn = r.attempt, r.done, r.conn
	return true
}

// fail ends the call with the status of r, the last attempt to fail.
func (h *streamHedge) fail(r *hedged) {
	s := h.stream
	err := h.finalError(r)
	if s.ctx.Err() != nil {
		err = h.timeUp()
	}
	r.done = nil
	s.openMu.Lock()
	h.adoptLocked(r)
	s.openMu.Unlock()
	s.mu.Lock()
	s.told = r.attempt // its end was reported when it failed
	s.mu.Unlock()
	h.end(r, false)
	s.end(err, true)
}

// end lets go of all attempts but r, if that is the stream's now.
func (h *streamHedge) end(r *hedged, adopted bool) {
	h.gate.close()
	if adopted {
		h.tellPeer(r)
	}
	for _, other := range h.all {
		if !adopted || other != r {
			other.stop()
		}
	}
	if h.running > 0 {
		go h.sweepOthers(h.running)
	}
}

// sweepOthers is sweep, but for the attempt that was picked before it had answered.
func (h *streamHedge) sweepOthers(n int) {
	for range n {
		r := <-h.results
		h.stream.openMu.Lock()
		picked := r.picked
		h.stream.openMu.Unlock()
		if r.err == nil && !picked {
			r.finish(errSlower)
		}
	}
}

// await waits until an attempt is chosen or the stream has ended.
func (h *streamHedge) await() {
	select {
	case <-h.chosen:
	case <-h.stream.Ended():
	}
}

// put sends buf to all attempts if none is chosen yet, and takes it over then.
func (h *streamHedge) put(buf *mem.Buf) (taken bool) {
	s := h.stream
	s.openMu.Lock()
	if _, ended := s.current(); ended || h.over || s.halfClosed { // run may not have heard of the end yet
		s.openMu.Unlock()
		return false
	}
	if s.replayed+len(buf.B) > maxReplay {
		s.openMu.Unlock()
		notify(h.full)
		h.await()
		return false
	}
	s.keep(buf)
	for _, r := range h.live {
		_ = r.attempt.stream.Send(clone(buf), false) // who waits for its answer finds out
	}
	s.openMu.Unlock()
	buf.Free()
	return true
}

// closeSend half-closes all attempts. stream.openMu is held.
func (h *streamHedge) closeSend() {
	for _, r := range h.live {
		_ = r.attempt.stream.Send(nil, true) // as in put
	}
}
