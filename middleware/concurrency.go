package middleware

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// ConcurrencyConfig says how many calls may run at a time.
type ConcurrencyConfig struct {
	// Max is for all calls that pass the interceptor together. 0 or negative: not limited.
	Max int
	// MaxPerMethod is for the calls of each method, by its path ("/package.Service/method"). A
	// method that is not in it has no limit of its own; 0 or negative: no call of it is let
	// through.
	MaxPerMethod map[string]int
	// Waiting is how many calls may wait until one may run, in each of the limits. 0 or negative:
	// none.
	Waiting int
	// MaxWait is how long a call waits at the longest. 0 or negative: until its context ends.
	MaxWait time.Duration
}

// LimitConcurrency returns an interceptor that lets only so many calls run at a time, streams
// included. Others wait, or fail with RESOURCE_EXHAUSTED before their messages are decoded; a retry
// is safe. Calls that wait are let through first in, first out.
func LimitConcurrency(c ConcurrencyConfig) naru.Interceptor {
	var all *gate
	if c.Max > 0 {
		all = &gate{max: c.Max, maxWaiting: c.Waiting, what: "calls"}
	}
	methods := make(map[string]*gate, len(c.MaxPerMethod))
	for m, n := range c.MaxPerMethod {
		methods[m] = &gate{max: max(n, 0), maxWaiting: c.Waiting, what: "calls of " + m}
	}
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		one := methods[call.Method().FullMethod]
		if one != nil {
			if err := one.enter(ctx, c.MaxWait); err != nil {
				return err
			}
			defer one.leave()
		}
		if all != nil {
			if err := all.enter(ctx, c.MaxWait); err != nil {
				return err
			}
			defer all.leave()
		}
		return next(ctx)
	}
}

// A gate lets max callers in at a time.
type gate struct {
	// immutable
	max, maxWaiting int
	what            string

	mu      sync.Mutex
	inside  int
	waiting []chan struct{} // first in, first out; closed by who leaves in favour of it. Capacity 0.
}

func (g *gate) enter(ctx context.Context, maxWait time.Duration) error {
	g.mu.Lock()
	if g.inside < g.max {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	if g.max == 0 || len(g.waiting) >= g.maxWaiting {
		n := len(g.waiting)
		g.mu.Unlock()
		return status.Errorf(codes.ResourceExhausted, "%d %s run and %d wait, which is the limit (middleware.LimitConcurrency)", g.max, g.what, n)
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()

	var late <-chan time.Time
	if maxWait > 0 {
		t := time.NewTimer(maxWait)
		defer t.Stop()
		late = t.C
	}
	var err error
	select {
	case <-turn:
		return nil
	case <-late:
		err = status.Errorf(codes.ResourceExhausted, "waited %v while %d %s ran, which is the limit (middleware.LimitConcurrency)", maxWait, g.max, g.what)
	case <-ctx.Done():
		err = status.FromContextError(ctx.Err()).WithMessage(fmt.Sprintf("while %d %s ran, which is the limit (middleware.LimitConcurrency)", g.max, g.what)).Err()
	}
	if !g.giveUp(turn) {
		g.leave() // its turn came at the same time
	}
	return err
}

// giveUp takes a caller out of the queue; false: it has been let in.
func (g *gate) giveUp(turn chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.inside--
		return
	}
	close(g.waiting[0])
	g.waiting = g.waiting[1:]
}
