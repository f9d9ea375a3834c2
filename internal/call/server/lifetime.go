package server

import (
	"context"
	"sync"
	"time"
)

// A lifetime is the deadline and cancellation of a server call, and most of its
// context.Context. It costs nothing until someone waits: Err compares with the clock, and only Done
// (or a child context) makes a channel and a timer. Both then come from the standard
// library's contexts, so that children, Cause and AfterFunc find what they look for
// and no goroutine watches anything.
//
// A lifetime must end with end, after which it stays Canceled (or DeadlineExceeded) for ever.
type lifetime struct {
	// immutable after the head
	deadline time.Time // zero: none

	// guarded by lifeMu (a leaf lock: nothing is locked under it but the standard contexts' own)
	lifeMu sync.Mutex
	err    error           // why it ended, while inner is nil
	cause  error           // with err
	inner  context.Context // made by the first Done; from then on the only truth
	cancel context.CancelCauseFunc
}

// Deadline implements context.Context.
func (l *lifetime) Deadline() (time.Time, bool) { return l.deadline, !l.deadline.IsZero() }

// Done implements context.Context.
func (l *lifetime) Done() <-chan struct{} { return l.std().Done() }

// Err implements context.Context. An Err that has once been seen is what Done and Cause tell after.
func (l *lifetime) Err() error {
	l.lifeMu.Lock()
	defer l.lifeMu.Unlock()
	if l.inner != nil {
		return l.inner.Err()
	}
	l.checkDeadlineLocked()
	return l.err
}

func (l *lifetime) checkDeadlineLocked() {
	if l.err == nil && !l.deadline.IsZero() && !time.Now().Before(l.deadline) {
		l.err, l.cause = context.DeadlineExceeded, context.DeadlineExceeded
	}
}

// std returns the standard context behind this one, making it if this is the first to ask.
func (l *lifetime) std() context.Context {
	l.lifeMu.Lock()
	defer l.lifeMu.Unlock()
	if l.inner != nil {
		return l.inner
	}
	l.checkDeadlineLocked()
	// The parent is Background: what this call is told by its server arrives through end, and
	// values are looked up elsewhere.
	l.inner, l.cancel = context.WithCancelCause(context.Background())
	if l.err != nil && l.err != context.DeadlineExceeded {
		l.cancel(l.cause)
		return l.inner
	}
	if !l.deadline.IsZero() {
		// A timer context below the cancelled one: children see DeadlineExceeded, not Canceled,
		// when it is the clock that ended it.
		outer := l.cancel
		inner, stop := context.WithDeadline(l.inner, l.deadline)
		l.inner = inner
		l.cancel = func(cause error) { outer(cause); stop() }
	}
	return l.inner
}

// end cancels with a cause (nil: context.Canceled). What ended first stays.
func (l *lifetime) end(cause error) {
	l.lifeMu.Lock()
	l.checkDeadlineLocked()
	cancel := l.cancel
	if cancel == nil && l.err == nil {
		l.err, l.cause = context.Canceled, cause
	}
	l.lifeMu.Unlock()
	if cancel != nil {
		// Outside the lock: cancelling runs through children of any make.
		cancel(cause)
	}
}

// stdCancelKey is the key under which the standard library's cancellable contexts give themselves
// away: context.Cause, WithCancel and AfterFunc ask a foreign context for it. It is private
// there, but not secret: a context that records what Cause asks for learns it.
var stdCancelKey = func() any {
	var r keyRecorder
	_ = context.Cause(&r)
	return r.key
}()

// keyRecorder is an ended context that remembers the last key it was asked for.
type keyRecorder struct{ key any }

func (*keyRecorder) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*keyRecorder) Done() <-chan struct{}       { return nil }
func (*keyRecorder) Err() error                  { return context.Canceled }
func (r *keyRecorder) Value(key any) any         { r.key = key; return nil }
