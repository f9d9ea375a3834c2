package client

import (
	"context"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// await waits until a is complete, and reports whether its stream has ended. Otherwise the attempt
// is cancelled, and the status error says what the time was spent on.
func (c *call) await(a *attempt) (ended bool, err error) {
	var clock <-chan time.Time
	a.mu.Lock()
	for !a.complete() {
		a.waiting = true
		a.mu.Unlock()
		if clock == nil {
			clock = c.clock()
		}
		var over bool
		if ctxDone := c.ctx.Done(); ctxDone == nil && clock == nil {
			<-a.wake
		} else {
			select {
			case <-a.wake:
			case <-ctxDone:
				over = true
			case <-clock:
				over = true
			}
		}
		if over {
			err := c.timeUp(a.where())
			a.cancel(reason.Canceled)
			if clock != nil {
				c.timer.Stop()
			}
			return false, err
		}
		a.mu.Lock()
	}
	ended = a.endedLocked()
	a.mu.Unlock()
	if clock != nil {
		c.timer.Stop()
	}
	return ended, nil
}

// clock is a channel that fires at the deadline, nil if ctx will do that by itself.
func (c *call) clock() <-chan time.Time {
	if c.deadline.IsZero() {
		return nil
	}
	if d, ok := c.ctx.Deadline(); ok && !d.After(c.deadline) {
		return nil
	}
	left := max(0, time.Until(c.deadline))
	if c.timer == nil {
		c.timer = time.NewTimer(left)
	} else {
		c.timer.Reset(left)
	}
	return c.timer.C
}

// timeUp is the status for a context or deadline that has ended the call, with what the call was
// doing.
func (c *call) timeUp(doing string) error {
	report := &connectivity.Report{Waits: c.pick.Waited, Attempts: c.pick.Attempt, DeadlineBy: c.deadlineBy}
	if w := c.pick.Waited; w.Total() > time.Millisecond {
		doing += "; before that: " + w.String()
	}
	err := c.ctx.Err()
	late := !c.deadline.IsZero() && !time.Now().Before(c.deadline)
	if err == context.Canceled || err == nil && !late {
		text := "canceled by the caller after " + round(time.Since(c.began)) + ": " + doing
		cause := context.Cause(c.ctx)
		if cause != nil && cause != context.Canceled {
			text += ": " + cause.Error()
		}
		return status.New(codes.Canceled, text).WithCause(either(cause, context.Canceled)).WithLocal(report).Err()
	}
	text := fmt.Sprintf("deadline of %s (set by %s) passed: %s", round(max(0, c.deadline.Sub(c.began))), c.deadlineBy, doing)
	return status.New(codes.DeadlineExceeded, text).WithCause(either(err, context.DeadlineExceeded)).WithLocal(report).Err()
}

func either(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// where says what an attempt was waiting for.
func (a *attempt) where() string {
	if a == nil {
		return "no attempt has answered"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ago := "just now"
	if !a.sending.at.IsZero() {
		ago = round(time.Since(a.sending.at)) + " ago"
	}
	return fmt.Sprintf("sent to %s %s, %s", peerName(a.sending.peer), ago, a.received())
}

// received says how far the response had come. It must not change meanwhile.
func (a *attempt) received() string {
	switch {
	case a.got > 0:
		return fmt.Sprintf("%d bytes of the response received", a.got)
	case a.stage.headSeen() && a.stage != stageTrailersOnly: // an end that the server sent at its own deadline is no response
		return "only the header of the response received"
	}
	return "no response received"
}

// progress is what is known of an attempt that was lost with its connection after it had been sent.
func (a *attempt) progress() string {
	switch {
	case a.closed.Unprocessed || a.closed.Scope != transport.ScopeConn:
		return ""
	case a.sending.at.IsZero():
		return " (" + a.received() + ")"
	}
	return fmt.Sprintf(" (sent %s before, %s)", round(time.Since(a.sending.at)), a.received())
}

// report adds what is known of a call whose connection was lost, as data.
func (c *call) report(s *status.Status, a *attempt) *status.Status {
	if a.closed == nil || a.closed.Scope != transport.ScopeConn || a.closed.Origin == transport.OriginUser {
		return s
	}
	return s.WithLocal(&connectivity.Report{
		Waits: c.pick.Waited, Attempts: c.pick.Attempt, DeadlineBy: c.deadlineBy, Last: a.closed.Failure(peerName(a.sending.peer)),
	})
}

func peerName(p *transport.ConnInfo) string {
	if p == nil || p.Remote == nil {
		return "the server"
	}
	return p.Remote.String()
}

// round makes durations readable: three digits or so.
func round(d time.Duration) string {
	switch {
	case d > 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d > 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// plural returns "1 attempt" or "3 attempts".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// boundContext returns the call's context with the call's deadline.
func (c *call) boundContext() (context.Context, context.CancelFunc) {
	if d, ok := c.ctx.Deadline(); !c.deadline.IsZero() && (!ok || c.deadline.Before(d)) {
		return context.WithDeadline(c.ctx, c.deadline)
	}
	return c.ctx, noCancel
}

func noCancel() {}
