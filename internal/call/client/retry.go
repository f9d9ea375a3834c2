package client

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// retrying is what a call knows of its attempts (gRFC A6).
type retrying struct {
	policy  *RetryPolicy  // nil: transparent retries only
	seen    int           // attempts that a server may have acted on
	step    int           // failures since the beginning or the last pushback: the backoff's exponent
	refused int           // attempts a server's library refused without looking at them
	asked   time.Duration // what servers have asked to wait, all pauses together
	lost    string        // why the attempt before failed; "": it did not
}

// remember keeps why an attempt failed for the status of the call, should the next one fail as
// well.
func (r *retrying) remember(err error) {
	const most = 200
	s := status.Convert(err)
	if r.lost = s.Code().String() + ": " + s.Message(); len(r.lost) > most {
		r.lost = strings.ToValidUTF8(r.lost[:most], "") + "..."
	}
}

// How often a call is tried again because the peer has not acted on it. gRFC A6: "If the RPC
// reaches the gRPC server library, but has never been seen by the server application logic ... the
// client library will immediately retry the RPC once". A connection that is going away has refused
// the call for reasons of its own, and the next connection need not: servers that end connections
// after so many calls (keepalive_requests of nginx) refuse several in a row now and then.
const (
	maxRefusals     = 1
	maxGoAways      = 5
	freeGoAways     = 2
	firstGoAwayWait = 5 * time.Millisecond
)

// refusal decides about an attempt the peer has not acted on: whether it is to be repeated
// regardless of any policy.
func (r *retrying) refusal(a *attempt) (pause time.Duration, again bool) {
	r.refused++
	if a.closed.Scope != transport.ScopeConn {
		return 0, r.refused <= maxRefusals
	}
	if r.refused > freeGoAways {
		pause = jitter(firstGoAwayWait << min(r.refused-freeGoAways-1, 10))
	}
	return pause, r.refused <= maxGoAways
}

// again decides about an attempt on conn that has ended with err, not nil: whether there is to be
// another, and after which pause. A status error that is not that of an attempt is nobody's to
// repeat.
func (c *call) again(a *attempt, conn transport.ClientConn, err error) (pause time.Duration, again bool) {
	if a.unprocessed() {
		if pause, again = c.retry.refusal(a); again {
			c.retry.remember(err)
			c.env.Counters.TransparentRetries.Add(1)
			c.seen.Next(observe.Transparent)
			return pause, true
		}
	}
	c.retry.seen++
	c.pick.Avoid = append(c.pick.Avoid, conn)
	p := c.retry.policy
	if p == nil || a.committed() && !(p == idempotentRetry && a.unseen()) {
		return 0, false
	}
	push, pushed, stop := pushback(a.lastFields())
	if !stop && a.interest != expired && !p.Retryable.Has(status.Code(err)) {
		return 0, false
	}
	// Counted before anything else is asked: the budget is for all calls of the channel.
	if allowed := c.charge(a); stop || !allowed || c.retry.seen >= p.MaxAttempts {
		if !stop && !allowed && c.retry.seen < p.MaxAttempts {
			c.env.Counters.Throttled.Add(1)
		}
		return 0, false
	}
	asked := max(push, retryDelay(err))
	if asked > c.maxRetryDelay()-c.retry.asked {
		return 0, false // to come back earlier than asked would only add to the load
	}
	c.retry.asked += asked
	if pushed {
		c.retry.step = 0
		pause = push
	} else {
		pause = p.backoff(c.retry.step)
		c.retry.step++
	}
	pause = max(pause, asked)
	if !c.deadline.IsZero() && time.Until(c.deadline) <= pause {
		return 0, false // the pause alone would outlast the call: what has happened says more
	}
	c.retry.remember(err)
	c.env.Counters.Retries.Add(1)
	return pause, true
}

// defaultMaxRetryDelay is how long servers may make a call wait in all, see Settings. A call that
// has no deadline, and whose author does not know that it is repeated, must not be held for
// minutes.
const defaultMaxRetryDelay = 10 * time.Second

func (c *call) maxRetryDelay() time.Duration {
	if c.set.MaxRetryDelay > 0 {
		return c.set.MaxRetryDelay
	}
	return defaultMaxRetryDelay
}

// throttle is the budget of the call's attempts: the one of the service config, or for retries that
// nothing but the method's idempotency level allows, the client's own. nil: no limit.
func (c *call) throttle() *Throttle {
	if t := c.env.Channel.Throttle(); t != nil || c.retry.policy != idempotentRetry {
		return t
	}
	return c.env.implicitBudget()
}

// charge takes a's failure from the budget and reports whether another attempt may be made. The
// client's own budget is for servers that refuse: a connection that is lost with a hundred calls
// says nothing of the load, and the pauses of connecting bound how often that happens.
func (c *call) charge(a *attempt) bool {
	t := c.throttle()
	if c.retry.policy == idempotentRetry && t == c.env.budget && a.closed != nil && a.closed.Scope == transport.ScopeConn {
		return t.Allow()
	}
	return t.Failure()
}

// backoff before the next attempt: "min(initialBackoff*backoffMultiplier**(n-1), maxBackoff)" with
// a jitter of 20 % up or down.
func (p *RetryPolicy) backoff(step int) time.Duration {
	d := float64(p.InitialBackoff) * math.Pow(p.BackoffMultiplier, float64(step))
	if !(d < float64(p.MaxBackoff)) { // NaN included
		return jitter(p.MaxBackoff)
	}
	return jitter(time.Duration(d))
}

// jitter is d, 20 % up or down.
func jitter(d time.Duration) time.Duration {
	// Of what a Duration holds: a maximum with its jitter may be more.
	return time.Duration(min(float64(d)*(0.8+0.4*rand.Float64()), math.MaxInt64/2))
}

// pushback reads grpc-retry-pushback-ms: "If the value for pushback is negative or unparseable,
// then it will be seen as the server asking the client not to retry at all."
func pushback(trailers []transport.Field) (pause time.Duration, pushed, stop bool) {
	v := wire.FieldValue(trailers, wire.FieldPushback)
	if v == "" {
		return 0, false, false
	}
	ms, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return 0, false, true
	}
	return time.Duration(ms) * time.Millisecond, true, false
}

// pauseFor waits between attempts. It returns a status error if the call ended meanwhile.
func (c *call) pauseFor(d time.Duration, last error) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.ctx.Done():
		return c.timeUp("waiting to try again after " + last.Error())
	}
}

// withAttempts adds to the status of a call that was tried more than once how often, and why the
// attempt before failed.
func (c *call) withAttempts(err error) error {
	if err == nil || c.retry.seen < 2 && c.retry.lost == "" {
		return err
	}
	s := status.Convert(err)
	var more []string
	if c.retry.seen >= 2 {
		more = append(more, "after "+plural(c.retry.seen, "attempt"))
	}
	if lost := c.retry.lost; lost != "" && !strings.HasPrefix(lost, s.Code().String()+": "+s.Message()) {
		more = append(more, "the attempt before: "+lost)
	}
	if more == nil {
		return err
	}
	return s.WithMessage(s.Message() + " (" + strings.Join(more, "; ") + ")").Err()
}
