package channel

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
)

func takes(d time.Duration) handler {
	return func(_ context.Context, req string) (string, error) {
		<-time.After(d)
		return req, nil
	}
}

func failsHalf(_ context.Context, req string) (string, error) {
	if rand.IntN(2) == 0 {
		return "", status.Error(codes.Internal, "broken")
	}
	return req, nil
}

// What needs exact times is tested in virtual time, in the root package. Here the other stack is at the other end, and
// the margins are wide enough for a busy machine.

// TestOutlierDetection: a backend that fails half of its calls is out within two intervals, and back after it has
// recovered.
func TestOutlierDetection(t *testing.T) {
	const interval = 500 * time.Millisecond
	good := takes(5 * time.Millisecond)
	bs := backends3(t, good)
	c := dial(t, bs, naru.WithBalancer(balancer.OutlierDetection{
		Interval: interval, BaseEjection: 2 * interval, MaxPercent: 50,
		FailurePercentage: &balancer.FailurePercentageEjection{Threshold: 30, MinHosts: 3, Volume: 5},
	}))
	run := func(d time.Duration) (badCalls, all int) {
		before := bs[1].calls.Load()
		var l load
		l.run(t, c, plain, 150, d)
		return int(bs[1].calls.Load() - before), l.n
	}
	run(2 * interval)
	bs[1].setHandler(failsHalf)
	run(2 * interval)
	if n, all := run(interval); n > all/10 {
		t.Errorf("%d of %d calls went to the bad backend after two intervals", n, all)
	}
	bs[1].setHandler(good)
	run(4 * interval)
	if n, all := run(2 * interval); n < all/5 {
		t.Errorf("%d of %d calls went to the backend that has recovered, want about a third", n, all)
	}
}

// TestHedging: with 1 % of calls delayed 100 times the tail gets shorter.
func TestHedging(t *testing.T) {
	lags := func(_ context.Context, req string) (string, error) {
		d := 10 * time.Millisecond
		if rand.IntN(100) == 0 {
			d = time.Second
		}
		<-time.After(d)
		return req, nil
	}
	run := func(t *testing.T, opts ...naru.ClientOption) (p999 time.Duration, sent, calls int) {
		bs := backends3(t, lags)
		c := dial(t, bs, append(opts, naru.WithBalancer(balancer.RoundRobin{}))...)
		var l load
		l.run(t, c, idempotent, 200, underLoad(30*time.Second, 3*time.Second))
		l.wantNoErrors(t, "nothing fails here")
		for _, b := range bs {
			sent += int(b.calls.Load())
		}
		return l.quantile(0.999), sent, l.n
	}
	plainTail, _, _ := run(t)
	hedge := &serviceconfig.Config{Methods: []serviceconfig.MethodConfig{{
		Names:   []serviceconfig.MethodName{{}},
		Hedging: &serviceconfig.HedgingPolicy{MaxAttempts: 3, Delay: 60 * time.Millisecond},
	}}}
	tail, sent, calls := run(t, naru.WithServiceConfig(hedge))
	// The exact figures are tested in virtual time; a busy machine delays good calls too.
	if tail > plainTail*2/3 {
		t.Errorf("p99.9 with hedging: %v, without: %v", tail, plainTail)
	}
	if extra := float64(sent-calls) / float64(calls); extra > 0.5 {
		t.Errorf("%d calls were sent as %d", calls, sent)
	}
}
