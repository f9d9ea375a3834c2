package client

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// A runner makes the attempts of one call: one after another under a retry policy, several at a
// time under a hedging policy. An attempt is launched, which takes as long as a connection takes to
// be found; it joins when its stream is open and has been given every message sent so far, and is
// live from then on. A live attempt is chosen, and its response is the call's, or it fails, and the
// policy decides what follows:
//
//	launching --> live --> chosen
//	    |           |
//	    +-----------+----> failed --> another is launched, or the call ends
//
// There is one choice per call. It falls to the first attempt with a response that commits the call
// (gRFC A6, "An RPC is committed when the client receives Response-Headers"), to a live one when
// more was sent than is kept for another, or to the last one to fail. Nothing else refers to an
// attempt before it is live, so that everything that an operation of the stream finds is complete.
//
// Each event locks mu, looks whether the call has ended or been decided meanwhile, and changes the
// state. Decisions that may take long, or call the program's code, are made on a goroutine of their
// own, and only where another attempt is possible at all: read loops never wait here.
type runner struct {
	// immutable after the first launch, except what is marked in call
	call
	hedging *HedgingPolicy     // nil: one attempt at a time
	unary   bool               // of a unary call: its response counts when it is complete
	stop    context.CancelFunc // of the deadline that ctx did not have

	// atomic
	receiver atomic.Int32 // who may touch the reader half of the attempt's messages, as in server.Call

	// sendMu is held while messages are put on attempts, so that each attempt gets all of them in
	// order. Before mu.
	sendMu sync.Mutex

	// guarded by mu, as are retry, opened and pick of call
	mu         sync.Mutex
	changed    sync.Cond     // on mu: chosen, over or live
	launching  []*attempt    // not live yet
	live       []*attempt    // open, neither failed nor chosen; empty when there is a choice
	judging    int           // failed, and the policy has not decided yet
	chosen     *attempt      // not nil: the call's
	over       bool          // final is the call's status
	final      error         // the status error, nil for OK
	ended      chan struct{} // closed with over; nil: nobody waits
	timer      *time.Timer   // of the next attempt; nil: none yet
	unhook     func() bool   // ends the watch on ctx; nil: none
	replay     []*mem.Buf    // copies of what was sent; freed with sendMu held, too
	replayed   int           // bytes of replay
	halfClosed bool          // no message follows
	hedges     hedges
}

// maxReplay is how many bytes a call keeps for another attempt. More is sent without this net:
// gRFC A6 ("the client library ... commits when the buffer is exceeded").
const maxReplay = 64 << 10

func (r *runner) newAttempt() *attempt {
	a := new(attempt)
	a.reset(r.maxReceive)
	a.run, a.single = r, r.unary
	a.seen = r.seen.BeginAttempt(r.pick.Waited)
	return a
}

// decidedLocked reports whether no further attempt is of use.
func (r *runner) decidedLocked() bool { return r.over || r.chosen != nil }

// wholeLocked reports whether the request is complete and one message, which goes out with its head
// in one piece.
func (r *runner) wholeLocked() bool {
	return !r.method.ClientStreams && r.halfClosed && len(r.replay) == 1
}

// launchFirst makes the first attempt of a call that nobody else knows yet. first: the message of a
// request that consists of one, which is in replay too; nil: none.
func (r *runner) launchFirst(first *mem.Buf, req any) error {
	a := r.newAttempt()
	r.last = a
	done, err := r.open(a, first, first != nil, func() (*mem.Buf, error) {
		switch {
		case first == nil:
			return nil, nil
		case len(r.replay) == 1:
			return clone(r.replay[0]), nil
		}
		return r.out.EncodeAgain(req)
	})
	if err != nil {
		return err
	}
	r.join(a, &r.call, done, first != nil)
	return nil
}

// next launches an attempt unless that is of no use any more.
func (r *runner) next() {
	r.mu.Lock()
	if r.decidedLocked() {
		r.mu.Unlock()
		return
	}
	a, c := r.forkLocked()
	r.mu.Unlock()
	r.launch(a, c)
}

// forkLocked prepares an attempt beside others: what changes while it is launched is its own.
func (r *runner) forkLocked() (*attempt, *call) {
	c := new(call)
	*c = r.call
	c.head.Fields = append(c.inline[:0], r.head.Fields[:r.fixed]...)
	c.pick.Avoid = slices.Clone(r.pick.Avoid)
	c.timer = nil
	a := r.newAttempt()
	c.ctx, a.stop = context.WithCancel(r.ctx)
	r.launching = append(r.launching, a)
	return a, c
}

// launch makes the attempt. Its errors, if another attempt may follow, are the policy's to judge.
func (r *runner) launch(a *attempt, c *call) {
	defer a.stop()
	r.mu.Lock()
	var whole *mem.Buf
	if r.wholeLocked() {
		whole = slices.Clone(r.replay)[0]
	}
	r.mu.Unlock()
	body := func() (*mem.Buf, error) { return nil, nil }
	if whole != nil {
		body = func() (*mem.Buf, error) { return r.copyOf(whole) }
	}
	first, err := body()
	var done func(DoneInfo)
	if err == nil {
		done, err = c.open(a, first, whole != nil, body)
	}
	if err == nil {
		r.join(a, c, done, whole != nil)
		return
	}
	r.mu.Lock()
	r.launching = remove(r.launching, a)
	r.mergeLocked(c)
	if r.decidedLocked() {
		r.mu.Unlock()
		r.attemptSeen(a, errSlower)
		return
	}
	r.judging++
	r.mu.Unlock()
	r.attemptSeen(a, err)
	r.judge(a, err)
}

// copyOf clones a message of the replay, unless the call was decided and the message may be gone.
func (r *runner) copyOf(b *mem.Buf) (*mem.Buf, error) {
	r.sendMu.Lock()
	defer r.sendMu.Unlock()
	r.mu.Lock()
	decided := r.decidedLocked()
	r.mu.Unlock()
	if decided {
		return nil, errSlower
	}
	return clone(b), nil
}

// mergeLocked takes over what a launch has found out, for the texts of errors.
func (r *runner) mergeLocked(c *call) {
	if c == &r.call || r.decidedLocked() {
		return
	}
	r.opened = max(r.opened, c.opened)
	r.pick.Attempt = max(r.pick.Attempt, c.pick.Attempt)
	if c.pick.Waited.Total() > r.pick.Waited.Total() {
		r.pick.Waited = c.pick.Waited
	}
}

// join gives an attempt whose stream is open what was sent so far, and makes it live.
func (r *runner) join(a *attempt, c *call, done func(DoneInfo), whole bool) {
	r.sendMu.Lock()
	r.mu.Lock()
	a.done, a.conn = done, c.conn
	r.mergeLocked(c)
	decided := r.decidedLocked()
	replay, halfClosed := r.replay, r.halfClosed
	r.mu.Unlock()
	if !whole && !decided {
		for _, b := range replay {
			_ = a.sending.stream.Send(clone(b), false) // an attempt that has ended is found out by heard
		}
		if halfClosed {
			_ = a.sending.stream.Send(nil, true) // as above
		}
	}
	r.mu.Lock()
	r.launching = remove(r.launching, a)
	if decided = r.decidedLocked(); !decided {
		r.live = append(r.live, a)
		if r.hedging != nil {
			r.pick.Avoid = append(r.pick.Avoid, a.conn)
		}
		r.changed.Broadcast()
	}
	r.mu.Unlock()
	r.sendMu.Unlock()
	if decided {
		r.finish(a, errSlower)
		return
	}
	c.limitAttempt(a)
	r.heard(a)
}

// heard looks at an attempt with news: a head, or the end. It runs on read loops.
func (r *runner) heard(a *attempt) {
	a.mu.Lock()
	opened, answered, over := a.sending.stream != nil, a.committed() && !a.single, a.complete()
	a.mu.Unlock()
	if !opened || !answered && !over {
		return // join comes back to it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decidedLocked() || !slices.Contains(r.live, a) {
		return
	}
	switch {
	case answered, !r.repeatableLocked(a):
		r.chooseLocked(a)
	default:
		r.live = remove(r.live, a)
		r.judging++
		go r.judge(a, nil)
	}
}

// repeatableLocked reports whether another attempt may follow a, which has ended.
func (r *runner) repeatableLocked(a *attempt) bool {
	return r.hedging != nil || r.retry.policy != nil || a.unprocessed()
}

// judge lets the policy decide about an attempt that has failed. err: it was not sent because of
// that; nil: the response tells why, and may be a success.
func (r *runner) judge(a *attempt, err error) {
	sent := err == nil
	if sent {
		if !a.free() {
			a.cancel(reason.ResponseWrong)
		}
		if s := a.outcome(r.set.Subtype); s != nil {
			err = r.snapshot().explain(a, s).Err()
		}
	}
	r.mu.Lock()
	r.judging--
	if r.decidedLocked() {
		r.mu.Unlock()
		if sent {
			r.finish(a, either(err, errSlower))
		}
		return
	}
	var v verdict
	switch {
	case err == nil:
		v.final = true
	case r.hedging != nil:
		v = r.hedgeLocked(a, err)
	case !sent:
		v.final = true // the channel has no connection for it
	default:
		pause, again := r.again(a, a.conn, err)
		v = verdict{final: !again, again: again, pause: pause}
	}
	if v.final && sent {
		r.chooseLocked(a)
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	switch {
	case v.final:
		r.end(r.snapshot().withAttempts(err), true)
		return
	case sent:
		r.finish(a, err)
	}
	if v.again {
		r.after(v.pause)
	}
}

// verdict says what follows a failed attempt. The zero value: others are under way, or will be.
type verdict struct {
	final bool // nothing: the call has failed
	again bool // another attempt, after the pause
	pause time.Duration
}

// after begins the next attempt after a pause, on this goroutine if there is none.
func (r *runner) after(pause time.Duration) {
	if pause <= 0 && r.hedging == nil {
		r.next()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.decidedLocked():
	case r.timer != nil:
		r.timer.Reset(pause)
	default:
		r.timer = time.AfterFunc(pause, r.next)
	}
}

// chooseLocked makes a the call's attempt, and lets go of all others.
func (r *runner) chooseLocked(a *attempt) {
	r.chosen, r.conn = a, a.conn
	others := remove(r.live, a)
	r.live = nil
	if r.hedging != nil {
		a.mu.Lock()
		r.peer = a.sending.peer
		a.mu.Unlock()
		r.retry.seen = max(r.retry.seen, r.hedges.failed)
		if r.set.OnPeer != nil {
			r.set.OnPeer(r.peer, r.hedges.started)
		}
	}
	r.dismissLocked(others)
	r.changed.Broadcast()
}

// dismissLocked ends attempts that the call does not need any more, live ones and those being
// launched.
func (r *runner) dismissLocked(others []*attempt) {
	if r.timer != nil {
		r.timer.Stop()
	}
	launching := r.launching
	if len(others)+len(launching) == 0 {
		return
	}
	launching = slices.Clone(launching)
	go func() {
		for _, a := range launching {
			a.stop()
		}
		for _, a := range others {
			r.finish(a, errSlower)
		}
	}()
}

// finish ends an attempt that is not the call's.
func (r *runner) finish(a *attempt, err error) {
	a.cancel(reason.AttemptLost)
	a.release()
	r.attemptEnded(a, err)
	a.report(err)
}

// end makes err the call's outcome if it has none, and lets go of everything.
func (r *runner) end(err error, reset bool) {
	r.mu.Lock()
	if r.over {
		r.mu.Unlock()
		return
	}
	if r.chosen == nil && len(r.live) > 0 {
		r.chosen = r.live[0] // for what is known of its response
	}
	a := r.chosen
	r.over, r.final = true, err
	r.dismissLocked(remove(r.live, a))
	r.live = nil
	unhook, done := r.unhook, r.ended
	r.changed.Broadcast()
	r.mu.Unlock()
	if unhook != nil {
		unhook()
	}
	r.stop()
	if a != nil && reset {
		a.cancel(reason.Canceled)
	}
	if err != nil && !r.unary {
		r.env.Counters.failed(err, a, !r.deadline.IsZero())
	}
	if a != nil {
		r.attemptEnded(a, err)
		a.report(err)
	}
	if !r.unary {
		r.observeEnd(a, err)
	}
	if r.receiver.Swap(wire.ReceiverClosed) == wire.ReceiverIdle && a != nil {
		a.release()
	}
	if r.sendMu.TryLock() {
		r.dropReplay()
		r.sendMu.Unlock()
	}
	if done != nil {
		close(done) // last: who waits for it looks at what is set above
	}
}

// keepLocked remembers a message for another attempt. It reports whether there is room for it;
// sendMu is held.
func (r *runner) keepLocked(b *mem.Buf) bool {
	if r.replayed+len(b.B) > maxReplay {
		return false
	}
	r.replayed += len(b.B)
	r.replay = append(r.replay, clone(b))
	return true
}

// dropReplay frees what was kept. sendMu is held, and the call decided.
func (r *runner) dropReplay() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.replay {
		b.Free()
	}
	r.replay = nil
}

// watch ends the call with its context, also when nobody sends or receives.
func (r *runner) watch() {
	if r.ctx.Done() == nil {
		return
	}
	unhook := context.AfterFunc(r.ctx, func() { r.end(r.contextEnded(), true) })
	r.mu.Lock()
	over := r.over
	r.unhook = unhook
	r.mu.Unlock()
	if over {
		unhook()
	}
}

// contextEnded is the status of a call that its context or deadline has ended, with what it waited
// for.
func (r *runner) contextEnded() error {
	c := r.snapshot()
	return c.timeUp(r.where())
}

// where says what the call is waiting for.
func (r *runner) where() string {
	r.mu.Lock()
	a, started := r.chosen, r.hedges.started
	if a == nil && len(r.live) > 0 {
		a = r.live[0]
	}
	connecting := len(r.launching) > 0
	r.mu.Unlock()
	switch {
	case r.hedging != nil && started > 1:
		return "hedged over " + plural(started, "attempt") + "; " + a.where()
	case a == nil && connecting:
		return "waiting for a connection for another attempt"
	}
	return a.where()
}

// snapshot is the call as it is now, for texts.
func (r *runner) snapshot() *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.call
	return &c
}

// awaitChosen waits for the call's attempt. It is nil only if the call is over.
func (r *runner) awaitChosen() (a *attempt, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.decidedLocked() {
		r.changed.Wait()
	}
	return r.chosen, r.over
}

func clone(b *mem.Buf) *mem.Buf {
	c := mem.Get(len(b.B))
	c.B = append(c.B, b.B...)
	return c
}

// remove returns list without a. The list may be shared with those who read it: it is not changed.
func remove(list []*attempt, a *attempt) []*attempt {
	if !slices.Contains(list, a) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(x *attempt) bool { return x == a })
}

var _ transport.ClientSink = (*attempt)(nil)
