package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// wait is a call that waits for a connection: what it waited for, and until when.
type wait struct {
	ch    *Channel
	ctx   context.Context
	timer *time.Timer // nil: no deadline but ctx's
	due   <-chan time.Time
	at    time.Time // when timer fires
	start time.Time
	last  time.Time // when the present phase began
	spent connectivity.Waits
	info  *client.PickInfo // nil: it is no pick
}

// phase is what a call waits for.
type phase uint8

const (
	phaseResolving phase = iota
	phaseConnecting
	phaseQueued
)

func (c *Channel) newWait(ctx context.Context, deadline time.Time) *wait {
	now := time.Now()
	w := &wait{ch: c, ctx: ctx, start: now, last: now}
	if !deadline.IsZero() {
		w.timer = time.NewTimer(deadline.Sub(now))
		w.due, w.at = w.timer.C, deadline
	}
	c.waiting.Add(1)
	c.slow.Add(1)
	return w
}

func (w *wait) end() {
	if w.info != nil {
		w.info.Waited.Resolving += w.spent.Resolving
		w.info.Waited.Connecting += w.spent.Connecting
		w.info.Waited.Queued += w.spent.Queued
	}
	w.ch.waiting.Add(-1)
	if w.timer != nil {
		w.timer.Stop()
	}
}

// lap adds the time since the last lap to a phase.
func (w *wait) lap(ph phase) {
	now := time.Now()
	d := now.Sub(w.last)
	w.last = now
	switch ph {
	case phaseResolving:
		w.spent.Resolving += d
	case phaseConnecting:
		w.spent.Connecting += d
	case phaseQueued:
		w.spent.Queued += d
	}
}

// until blocks until changed is closed; else it returns the status error that ends the call.
func (w *wait) until(changed <-chan struct{}, ph phase, snap *snapshot) error {
	select {
	case <-changed:
		w.lap(ph)
		return nil
	case <-w.ctx.Done():
		w.lap(ph)
		return w.expired(w.ctx.Err(), snap)
	case <-w.due:
		w.lap(ph)
		return w.expired(context.DeadlineExceeded, snap)
	}
}

// expired explains what was waited for in vain.
func (w *wait) expired(err error, snap *snapshot) error {
	code := codes.Canceled
	if errors.Is(err, context.DeadlineExceeded) {
		code = codes.DeadlineExceeded
	}
	msg := fmt.Sprintf("no connection to %q after %s", w.ch.name, w)
	if code == codes.DeadlineExceeded && w.info != nil && w.info.DeadlineBy != "" {
		msg = fmt.Sprintf("deadline (set by %s) passed: %s", w.info.DeadlineBy, msg)
	}
	if now := w.ch.trying.String(); now != "" {
		msg += "; " + now
	}
	cause := err
	if f := w.ch.lastFailure(snap); f != nil {
		msg += "; last failure: " + f.Error()
		cause = joinCause{err, f}
	}
	return w.status(code, msg, cause, snap)
}

// status is the error of a call that got no connection, with the facts as data beside the words.
func (w *wait) status(code codes.Code, msg string, cause error, snap *snapshot) error {
	r := &connectivity.Report{Target: w.ch.cfg.Target, State: snap.state, Waits: w.spent}
	if i := w.info; i != nil {
		r.Attempts, r.DeadlineBy = i.Attempt, i.DeadlineBy
		r.Resolving += i.Waited.Resolving
		r.Connecting += i.Waited.Connecting
		r.Queued += i.Waited.Queued
	}
	if !errors.As(cause, &r.Last) {
		r.Last = w.ch.failures.last.Load()
	}
	return status.New(code, msg).WithCause(cause).WithLocal(r).Err()
}

// String tells the time spent, and on what.
func (w *wait) String() string {
	s := time.Since(w.start).Round(time.Millisecond).String()
	if on := w.spent.String(); on != "" {
		s += " (" + on + ")"
	}
	return s
}

// pickSlow waits until there is a connection for the call.
func (c *Channel) pickSlow(ctx context.Context, info *client.PickInfo, p *pick) (*conn, error) {
	w := c.newWait(ctx, info.Deadline)
	w.info = info
	defer w.end()
	for {
		if err := ctx.Err(); err != nil {
			return nil, w.expired(err, c.snap.Load())
		}
		snap := c.snap.Load()
		err := c.choose(snap, info, p)
		if err == nil {
			t, err := c.slot(w, snap, info, p)
			if t != nil {
				return t, nil
			}
			p.undo()
			if err != nil {
				return nil, err
			}
			continue
		}
		p.pick.Reset()
		if end := w.refused(err, snap, info); end != nil {
			return nil, end
		}
		if snap.state == connectivity.Idle {
			c.loop.do(c.exitIdle)
		}
		if err := w.until(snap.changed, c.phase(), snap); err != nil {
			return nil, err
		}
	}
}

// phase reports whether names or connections are waited for.
func (c *Channel) phase() phase {
	select {
	case <-c.resolved:
		return phaseConnecting
	default:
		return phaseResolving
	}
}

// refused turns a picker's error into the one that ends the call, or nil if the call should wait.
func (w *wait) refused(err error, snap *snapshot, info *client.PickInfo) error {
	if errors.Is(err, balancer.ErrQueue) {
		return nil
	}
	var drop *balancer.DropError
	if errors.As(err, &drop) {
		return w.status(drop.Code, drop.Reason, err, snap)
	}
	if info.WaitForReady {
		return nil
	}
	msg := fmt.Sprintf("no connection to %q", w.ch.name)
	if w.spent.Total() >= time.Millisecond {
		msg += " after " + w.String()
	}
	msg += ": " + err.Error()
	return w.status(codes.Unavailable, msg, err, snap)
}

// slot takes a slot on the subConn that was picked and waits for one if need be. nil and no error:
// pick anew.
func (c *Channel) slot(w *wait, snap *snapshot, info *client.PickInfo, p *pick) (*conn, error) {
	s := subConnOf(p.pick.SubConn)
	if info.Full != nil {
		s.slots.full(info.Full)
	}
	t, found := s.slots.take()
	if !found {
		// The connection is gone and the picker of the time before it: the next one is on its way.
		return nil, w.until(snap.changed, phaseConnecting, snap)
	}
	if t == nil {
		var err error
		if t, err = c.queue(w, snap, s); t == nil {
			return nil, err
		}
	}
	if t.ended() {
		t.give()
		c.loop.wait(func() { s.connLost(t) }) // the watch is on its way to tell; it finds it told
		return nil, nil
	}
	if t.t == info.Full {
		// By our count there is room, by the transport's there was none: let it say when.
		if err := w.awaitSlot(t, snap); err != nil {
			t.give()
			return nil, err
		}
	}
	return t, nil
}

// queue waits for a slot. nil and no error: the subConn has no connection any more.
func (c *Channel) queue(w *wait, snap *snapshot, s *subConn) (*conn, error) {
	q := s.slots.join()
	if s.mayGrow() {
		c.loop.do(s.grow)
	}
	select {
	case t := <-q.got:
		w.lap(phaseQueued)
		return t, nil
	case <-w.ctx.Done():
		s.slots.leave(q)
		w.lap(phaseQueued)
		return nil, w.expired(w.ctx.Err(), snap)
	case <-w.due:
		s.slots.leave(q)
		w.lap(phaseQueued)
		return nil, w.expired(context.DeadlineExceeded, snap)
	}
}

// awaitSlot waits until the transport takes a stream. A connection that ended is left to Open to
// tell of: its error says that nothing was sent.
func (w *wait) awaitSlot(t *conn, snap *snapshot) error {
	ctx, cancel := w.ctx, context.CancelFunc(func() {})
	if w.timer != nil {
		ctx, cancel = context.WithCancel(w.ctx)
		stop := time.AfterFunc(time.Until(w.at), cancel)
		defer stop.Stop()
	}
	defer cancel()
	err := t.t.AwaitSlot(ctx.Done())
	w.lap(phaseQueued)
	if !errors.Is(err, transport.ErrAwaitDone) {
		return nil
	}
	if e := w.ctx.Err(); e != nil {
		return w.expired(e, snap)
	}
	return w.expired(context.DeadlineExceeded, snap)
}

// awaitResolved blocks until the resolver has answered for the first time.
func (c *Channel) awaitResolved(ctx context.Context, deadline time.Time) error {
	w := c.newWait(ctx, deadline)
	defer w.end()
	for {
		snap := c.snap.Load()
		switch snap.state {
		case connectivity.Shutdown:
			return errClosed
		case connectivity.Idle:
			c.loop.do(c.exitIdle)
		}
		select {
		case <-c.resolved:
			return nil
		default:
		}
		// The first answer publishes a snapshot, as does Close.
		if err := w.until(snap.changed, phaseResolving, snap); err != nil {
			return err
		}
	}
}
