package client

import (
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/status"
)

// hedges are the attempts of a hedged call (gRFC A6, "Hedging"). Guarded by runner.mu.
type hedges struct {
	started int
	failed  int   // attempts that have failed, the last one included that ended the call
	stopped bool  // a server asked for no more, or the budget is used up
	lastErr error // of the attempt that failed last
}

var errSlower = status.Error(codes.Canceled, "another attempt was faster")

// beginHedging starts the first attempt, and the others by the policy's delay.
func (r *runner) beginHedging() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(0, r.hedge)
}

// hedge is called when the next attempt is due: "the next hedged RPC is sent" after the delay, or
// at once after a failure that is not fatal.
func (r *runner) hedge() {
	r.mu.Lock()
	for {
		if r.decidedLocked() || r.hedges.stopped || r.hedges.started >= r.hedging.MaxAttempts {
			r.mu.Unlock()
			return
		}
		if r.hedges.started > 0 && !r.throttle().Allow() {
			break
		}
		r.startHedgeLocked()
		if r.hedging.Delay > 0 {
			break
		}
	}
	// "If the token_count is below the threshold no further hedges are sent" for now.
	if err := r.hedges.lastErr; r.idleLocked() && err != nil {
		r.mu.Unlock()
		r.end(r.snapshot().withAttempts(err), true)
		return
	}
	r.timer.Reset(max(r.hedging.Delay, time.Millisecond))
	r.mu.Unlock()
}

// idleLocked reports whether nothing is under way.
func (r *runner) idleLocked() bool { return len(r.launching)+len(r.live)+r.judging == 0 }

// startHedgeLocked launches an attempt on a goroutine of its own, which ends when the attempt is
// live or has failed.
func (r *runner) startHedgeLocked() {
	if r.hedges.started > 0 {
		r.seen.Next(observe.Hedge)
	}
	a, c := r.forkLocked()
	c.opened, c.retry.seen = r.hedges.started, r.hedges.started
	c.set.OnPeer = nil // told of the choice alone
	if r.hedges.started++; r.hedges.started > 1 {
		r.env.Counters.Hedges.Add(1)
	}
	go r.launch(a, c)
}

// hedgeLocked decides after a failed attempt.
func (r *runner) hedgeLocked(a *attempt, err error) verdict {
	h := &r.hedges
	h.failed++
	h.lastErr = err
	push, pushed, stop := pushback(a.lastFields())
	if stop || push > r.maxRetryDelay()-r.retry.asked {
		h.stopped = true
	} else {
		r.retry.asked += push
	}
	if !r.hedging.NonFatal.Has(status.Code(err)) && !a.unprocessed() {
		r.retry.seen = h.failed
		return verdict{final: true}
	}
	r.retry.remember(err)
	// "If the token_count is below the threshold no further hedges are sent"; those under way go
	// on.
	if !r.throttle().Failure() && !h.stopped {
		h.stopped = true
		r.env.Counters.Throttled.Add(1)
	}
	switch {
	case r.idleLocked() && (h.stopped || h.started >= r.hedging.MaxAttempts):
		r.retry.seen = h.started
		return verdict{final: true}
	case h.stopped || h.started >= r.hedging.MaxAttempts:
		return verdict{}
	case pushed:
		return verdict{again: true, pause: push}
	}
	return verdict{again: true}
}

// runHedged makes a unary call under a hedging policy: a stream of one message each way.
func (u *unary) runHedged(p *HedgingPolicy) error {
	body, err := u.body()
	if err != nil {
		return err
	}
	s := new(Stream)
	s.call = u.call
	s.head.Fields = append(s.inline[:0], u.head.Fields[:u.fixed]...)
	s.timer, s.unary = nil, true
	s.changed.L = &s.mu
	s.hedging, s.halfClosed = p, true
	s.replay = append(s.replay, body)
	s.ctx, s.stop = s.boundContext()
	s.beginHedging()
	s.watch()
	err = s.RecvMsg(u.res)
	a, _ := s.awaitChosen()
	if u.last = a; a != nil {
		u.export(a)
	}
	return err
}
