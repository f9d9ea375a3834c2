package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/naru-rpc/naru/connectivity"
)

// PollOptions say when a polling resolver looks its target up again. The zero value means the
// defaults.
type PollOptions struct {
	// Interval is the time from one good answer to the next look-up. 0: 5 s, so that backends that
	// were added are seen within seconds; no look-up is made while it would change nothing (see
	// [Watcher]). Negative: only when a connection fails, which suits name servers that answer with
	// another part of a long list each time.
	Interval time.Duration
	// MinInterval is the least time between two look-ups that connections ask for by failing. 0: 2
	// s.
	MinInterval time.Duration
	// Timeout bounds one look-up. 0: 10 s. Negative: none.
	Timeout time.Duration
	// Backoff spaces the look-ups after one that failed.
	Backoff connectivity.Backoff
}

// Defaults of PollOptions.
const (
	defaultPollInterval    = 5 * time.Second
	defaultPollMinInterval = 2 * time.Second
	defaultPollTimeout     = 10 * time.Second
)

func (o PollOptions) withDefaults() PollOptions {
	if o.Interval == 0 {
		o.Interval = defaultPollInterval
	}
	if o.MinInterval == 0 {
		o.MinInterval = defaultPollMinInterval
	}
	if o.Timeout == 0 {
		o.Timeout = defaultPollTimeout
	}
	return o
}

// Lookup finds out the state of a target once.
type Lookup func(ctx context.Context) (State, error)

// Poll returns a resolver that calls lookup again and again: at once, after each Interval, when a
// connection failed, and after a backoff when it failed itself.
func Poll(lookup Lookup, opts PollOptions) Resolver {
	return &poller{lookup: lookup, opts: opts.withDefaults()}
}

// Func returns a builder for a scheme of your own that is looked up by a function.
func Func(scheme string, lookup func(ctx context.Context, target Target) (State, error), opts PollOptions) Builder {
	return funcBuilder{scheme, lookup, opts}
}

type funcBuilder struct {
	scheme string
	lookup func(context.Context, Target) (State, error)
	opts   PollOptions
}

func (b funcBuilder) Scheme() string { return b.scheme }

func (b funcBuilder) Build(target Target, _ Options) (Resolver, error) {
	return Poll(func(ctx context.Context) (State, error) { return b.lookup(ctx, target) }, b.opts), nil
}

type poller struct {
	// immutable
	lookup Lookup
	opts   PollOptions
	// owned by Run
	failures int   // look-ups in a row that failed or brought what the channel refused
	last     State // last reported, if reported is true
	reported bool
}

func (p *poller) Run(ctx context.Context, w Watcher) {
	p.failures, p.reported = 0, false
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for ctx.Err() == nil {
		select {
		case <-w.Refresh(): // what was asked for before is answered by this look-up
		default:
		}
		p.once(ctx, w)
		if !p.wait(ctx, w, timer) {
			return
		}
	}
}

func (p *poller) once(ctx context.Context, w Watcher) {
	lctx, cancel := ctx, context.CancelFunc(func() {})
	if p.opts.Timeout > 0 {
		lctx, cancel = context.WithTimeout(ctx, p.opts.Timeout)
	}
	state, err := p.lookup(lctx)
	late := lctx.Err() != nil
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		err = p.report(w, state)
	} else {
		if late && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w (look-up timeout %v)", err, p.opts.Timeout)
		}
		w.Fail(err)
	}
	if err != nil {
		p.failures++
	} else {
		p.failures = 0
	}
}

// report hands a state on unless it is the one reported before.
func (p *poller) report(w Watcher, s State) error {
	if p.reported && p.failures == 0 && reflect.DeepEqual(s, p.last) {
		return nil
	}
	p.last, p.reported = s, true
	return w.Update(s)
}

// wait returns true when it is time for the next look-up and false when ctx ended.
func (p *poller) wait(ctx context.Context, w Watcher, timer *time.Timer) bool {
	floor, wake := p.plan(rand.Float64())
	last := time.Now()
	armed := last
	if wake >= 0 {
		timer.Reset(wake)
	} else {
		timer.Stop()
	}
	refresh := w.Refresh()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			if p.failures > 0 || refresh == nil || w.Wanted() {
				return true
			}
			armed = time.Now()
			timer.Reset(wake)
		case <-refresh:
			refresh = nil // once asked for, asking again changes nothing
			left := floor - time.Since(last)
			if left <= 0 {
				return true
			}
			if wake < 0 || left < wake-time.Since(armed) {
				timer.Reset(left)
			}
		}
	}
}

// plan returns how long after a look-up the next may be made if someone asks for it, and when it is
// made if nobody does (< 0: never).
func (p *poller) plan(unit float64) (floor, wake time.Duration) {
	if p.failures > 0 {
		d := p.opts.Backoff.Delay(p.failures-1, unit)
		return d, d
	}
	return p.opts.MinInterval, p.opts.Interval
}
