package middleware

import (
	"context"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// ShedLoadConfig says how a server is kept from being overloaded.
type ShedLoadConfig struct {
	// Initial, Min and Max bound how many unary calls run at a time: the limit begins at Initial
	// and moves between the other two. 0: 20, 4 and 10000.
	Initial, Min, Max int
	// Tolerance is how many times as long as without load calls may take on average before fewer
	// are let in; at least 1. 0: 1.5.
	Tolerance float64
	// PriorityHeader is the metadata key by which a client says how important a call is:
	// "critical", "high" (as if nothing was said), "low". Low calls may use 3/4 of the limit,
	// others 19/20, critical ones all of it. "": calls are equal. Peers that are not trusted will
	// claim to be critical: set Priority then.
	PriorityHeader string
	// Priority returns what PriorityHeader would say, "" for what it does say. nil: the header
	// decides. It runs before anything of the call is decoded.
	Priority func(ctx context.Context, call *naru.Call) string
	// OnShed is told of calls that were refused, with the limit. nil: no one is.
	OnShed func(ctx context.Context, call *naru.Call, limit int)
}

// ShedLoad returns an interceptor for a server that finds by itself how many calls can run at a
// time without waiting for each other, and refuses the others at once with RESOURCE_EXHAUSTED,
// before their messages are decoded. A server that is offered more than it can do then does what it
// can in time, instead of everything too late.
//
// It compares how long calls of each method take with how long they take when few run, so that slow
// methods are not taken for overload; from time to time it lowers the limit for a moment to measure
// that again. Only calls that end OK are measured. It must surround what takes the time: the
// handler, and other interceptors that wait.
//
// Streams are refused while the limit is reached, but do not count towards it: they may last for
// hours without using anything. LimitConcurrency bounds their number.
//
// On a client the interceptor has no effect.
func ShedLoad(c ShedLoadConfig) naru.Interceptor {
	l := newLimiter(&c)
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) (err error) {
		if call.Side() == stats.Client {
			return next(ctx)
		}
		unary := call.Kind() == naru.KindUnary
		limit, ok := l.acquire(l.share(ctx, call), unary)
		if !ok {
			if c.OnShed != nil {
				c.OnShed(ctx, call, limit)
			}
			return status.Errorf(codes.ResourceExhausted, "the server is overloaded: %d calls run, which is what it can do in time (middleware.ShedLoad)", limit)
		}
		if !unary {
			return next(ctx)
		}
		began, done := time.Now(), false
		defer func() { // also when the handler panics
			l.release(call.Method().FullMethod, began, time.Now(), done && err == nil)
		}()
		err = next(ctx)
		done = true
		return err
	}
}

// share is the part of the limit that a call may use.
func (l *limiter) share(ctx context.Context, call *naru.Call) float64 {
	if l.config.PriorityHeader == "" && l.config.Priority == nil {
		return 1
	}
	p := ""
	if l.config.Priority != nil {
		p = l.config.Priority(ctx, call)
	}
	if p == "" && l.config.PriorityHeader != "" {
		if v := metadata.ValueFromIncomingContext(ctx, l.config.PriorityHeader); len(v) > 0 {
			p = v[0]
		}
	}
	switch strings.ToLower(p) {
	case "critical":
		return 1
	case "low":
		return 0.75
	}
	return 0.95
}
