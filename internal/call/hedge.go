package call

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// A hedge is a call whose request is complete, sent to several servers one after another until one answers
// (gRFC A6, "Hedging"). Each attempt runs on a goroutine of its own, which ends when the attempt has
// an answer or was cancelled; what it found goes to the one goroutine that decides.
type hedge struct {
	call   *clientCall
	policy *HedgingPolicy
	body   []byte // the request, which attempts send copies of as long as any is left
	// head: an attempt has answered when its head is here; else when it is complete.
	head bool

	// launch makes an attempt and waits for its answer: send, for a request that is complete. lost tells of an
	// attempt that has failed whether it is to be ended.
	launch func(*hedged) error
	lost   func(*hedged) bool

	// owned by the deciding goroutine
	results chan *hedged // capacity MaxAttempts: no attempt waits to report
	all     []*hedged
	started int
	running int
	stopped bool // a server asked for no more, or the budget is used up

	gate gate

	// guarded by mu
	mu    sync.Mutex
	conns []transport.ClientConn // that attempts were sent on
}

// gate keeps attempts from being sent once the call has its answer (gRFC A6: "other outstanding hedges will be
// cancelled" when it is committed): one may have been about to. Whoever shuts it has heard of all that were sent.
type gate struct {
	mu   sync.RWMutex
	shut bool
}

// enter tells whether an attempt may be sent; if so, leave is to be called when it was.
func (g *gate) enter() bool {
	g.mu.RLock()
	if g.shut {
		g.mu.RUnlock()
		return false
	}
	return true
}

func (g *gate) leave() { g.mu.RUnlock() }

func (g *gate) close() {
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
}

// hedged is one attempt and how it ended.
type hedged struct {
	clientCall
	attempt *attempt
	stop    context.CancelFunc
	done    func(DoneInfo)
	err     error // status error; nil: an answer that commits
	picked  bool  // a stream goes on with it, see streamHedge; guarded by the stream's openMu
}

// run returns the attempt that answered, or the status error of the call. The attempt's done is the caller's
// to call; all others are cancelled.
func (h *hedge) run() (*hedged, error) {
	h.results = make(chan *hedged, h.policy.MaxAttempts)
	h.launch, h.lost = h.send, func(*hedged) bool { return true }
	defer h.cancelAll()
	timer := time.NewTimer(h.policy.Delay)
	defer timer.Stop()
	h.start()
	for {
		if h.policy.Delay == 0 {
			h.startAll()
		}
		select {
		case r := <-h.results:
			h.running--
			if r.err == nil {
				return r, nil
			}
			if h.call.ctx.Err() != nil {
				return nil, h.timeUp() // the attempts' errors are its echo
			}
			next, final := h.failed(r)
			if final {
				return nil, h.finalError(r)
			}
			if next >= 0 {
				timer.Reset(next)
			}
		case <-timer.C:
			h.another()
			timer.Reset(max(h.policy.Delay, time.Millisecond))
		case <-h.call.ctx.Done():
			return nil, h.timeUp()
		}
	}
}

func (h *hedge) timeUp() error {
	return h.call.timeUp("hedged over " + plural(h.started, "attempt"))
}

// failed decides after a failed attempt: final ends the call; otherwise the next attempt starts after next, if it
// is not negative.
func (h *hedge) failed(r *hedged) (next time.Duration, final bool) {
	push, pushed, stop := pushback(r.attempt.lastFields())
	if stop || push > h.call.maxRetryDelay() {
		h.stopped = true
	}
	code := status.Code(r.err)
	if !h.policy.NonFatal.Has(code) && !r.attempt.unprocessed() {
		return -1, true
	}
	// "If the token_count is below the threshold no further hedges are sent"; those under way go on.
	if !h.call.env.Channel.Throttle().Failure() && !h.stopped {
		h.stopped = true
		h.call.env.Counters.Throttled.Add(1)
	}
	switch {
	case h.running == 0 && (h.stopped || h.started >= h.policy.MaxAttempts):
		return -1, true
	case h.stopped:
		return -1, false
	case pushed:
		return push, false
	}
	// "the next hedged RPC is sent immediately"
	return 0, false
}

func (h *hedge) finalError(r *hedged) error {
	r.retry.seen = h.started
	h.call.last = r.attempt
	return r.withAttempts(r.err)
}

// another starts an attempt if the policy and the budget allow one more.
func (h *hedge) another() {
	if h.stopped || h.started >= h.policy.MaxAttempts || !h.call.env.Channel.Throttle().Allow() {
		return
	}
	h.start()
}

func (h *hedge) startAll() {
	for h.started < h.policy.MaxAttempts && !h.stopped && h.call.env.Channel.Throttle().Allow() {
		h.start()
	}
}

// start begins an attempt on a goroutine of its own.
func (h *hedge) start() {
	ctx, cancel := context.WithCancel(h.call.ctx)
	r := &hedged{attempt: new(attempt)}
	r.clientCall = *h.call
	r.head.Fields = append(r.inline[:0], h.call.head.Fields[:h.call.fixed]...)
	r.ctx, r.timer, r.gate = ctx, nil, &h.gate
	r.opened = h.started
	r.retry.seen = h.started
	h.mu.Lock()
	r.pick.Avoid = slices.Clone(h.conns)
	h.mu.Unlock()
	r.set.OnPeer = nil // told of the winner alone
	r.stop = cancel
	h.all = append(h.all, r)
	if h.started > 0 {
		h.call.env.Counters.Hedges.Add(1)
	}
	h.started++
	h.running++
	go func() {
		r.err = h.launch(r)
		if r.err != nil && h.lost(r) {
			r.finish(r.err)
		}
		h.results <- r
	}()
}

// send makes the attempt and waits for its answer.
func (h *hedge) send(r *hedged) error {
	a := r.attempt
	a.reset(r.maxReceive)
	body := func() (*mem.Buf, error) { return clone(&mem.Buf{B: h.body}), nil }
	first, _ := body() // never fails
	done, err := r.open(a, first, true, body)
	if err != nil {
		return err
	}
	h.sent(r, done)
	return r.answer(h.head)
}

// sent notes where an attempt went.
func (h *hedge) sent(r *hedged, done func(DoneInfo)) {
	r.done = done
	h.mu.Lock()
	h.conns = append(h.conns, r.conn)
	h.mu.Unlock()
}

// answer waits for an attempt's answer: its head, or all of it.
func (r *hedged) answer(head bool) error {
	a := r.attempt
	a.mu.Lock()
	err := r.awaitAnswerLocked(a, head)
	committed := a.committed()
	a.mu.Unlock()
	switch {
	case err != nil:
		return err
	case head && committed:
		return nil
	}
	if !a.free() {
		a.cancel("response_wrong")
	}
	if s := a.outcome(r.set.Subtype); s != nil {
		return r.explain(a, s).Err()
	}
	return nil
}

// awaitAnswerLocked is awaitLocked, or, if head is set, waits for the head only.
func (c *clientCall) awaitAnswerLocked(a *attempt, head bool) error {
	if !head {
		a.single = true
		return c.awaitLocked(a)
	}
	stop := context.AfterFunc(c.ctx, func() { a.cancel("canceled") })
	defer stop()
	a.awaitLocked(false)
	if c.ctx.Err() != nil {
		return status.Error(codes.Canceled, "another attempt was faster")
	}
	return nil
}

// finish ends an attempt that lost or failed.
func (r *hedged) finish(err error) {
	r.attempt.cancel("hedge_lost")
	r.attempt.release()
	r.attemptEnded(r.attempt, err)
	if r.done != nil {
		r.done(DoneInfo{Err: err, Sent: true, Received: r.attempt.headSeen, Trailers: r.attempt.trailers})
		r.done = nil
	}
}

// cancelAll ends the contexts of all attempts: the winner does not need its any more.
func (h *hedge) cancelAll() {
	h.gate.close()
	for _, r := range h.all {
		r.stop()
	}
	if h.running > 0 {
		go h.sweep(h.running)
	}
}

// sweep ends attempts that answered although another had won: their results are in the channel or will be soon.
func (h *hedge) sweep(n int) {
	for range n {
		if r := <-h.results; r.err == nil {
			r.finish(status.Error(codes.Canceled, "another attempt was faster"))
		}
	}
}

// runHedged makes a unary call under a hedging policy.
func (u *unary) runHedged(p *HedgingPolicy) error {
	body, err := u.body()
	if err != nil {
		return err
	}
	ctx, stop := u.boundContext()
	defer stop()
	u.ctx = ctx
	h := &hedge{call: &u.clientCall, policy: p, body: slices.Clone(body.B)}
	body.Free()
	r, err := h.run()
	if err != nil {
		return err
	}
	h.tellPeer(r)
	u.last = r.attempt
	err = u.result(r.attempt)
	u.export(r.attempt)
	if err == nil {
		u.throttle().Success()
	}
	r.finish(err)
	return err
}

func (h *hedge) tellPeer(r *hedged) {
	h.call.peer = r.peer
	if h.call.set.OnPeer != nil {
		h.call.set.OnPeer(r.peer, h.started)
	}
}
