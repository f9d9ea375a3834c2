package channel

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/serviceconfig"
)

// Backends here are processes, most of them grpc-go's. Counts are held strictly; times are, too,
// but for what the machine is late by meanwhile (load.noise). The root package has the same in
// virtual time.

// mixed3 are backends in processes, two of grpc-go and one of naru; the second may be spoilt.
func mixed3(t *testing.T, e *executions) []*backend {
	return []*backend{
		start(t, "127.0.0.1", 0, processServer("grpc-go", e.add), nil),
		start(t, "127.0.0.1", 0, processServer("grpc-go", e.add), nil),
		start(t, "127.0.0.1", 0, processServer("naru", e.add), nil),
	}
}

// TestOutlierDetection: a backend that answers ten times slower or fails half of its calls gets no
// call two intervals later, and its share again when it has recovered.
func TestOutlierDetection(t *testing.T) {
	interval := underLoad(10*time.Second, time.Second)
	const takes = 30 * time.Millisecond // so that ten times as long is that on a busy machine, too
	good := behaviour{Takes: takes}
	for name, bad := range map[string]behaviour{
		"slow":    {Takes: 10 * takes},
		"failing": {Takes: takes, Fail: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e executions
			bs := mixed3(t, &e)
			for _, b := range bs {
				b.behave(good)
			}
			c := dial(t, bs, naru.WithBalancer(balancer.OutlierDetection{
				Interval: interval, BaseEjection: 4 * interval, MaxPercent: 50,
				FailurePercentage: &balancer.FailurePercentageEjection{Threshold: 30, MinHosts: 3, Volume: 5},
				Latency:           &balancer.LatencyEjection{},
			}))
			run := func(d time.Duration) (share float64) {
				before := bs[1].calls.Load()
				var l load
				l.run(t, c, plain, 150, d)
				return float64(bs[1].calls.Load()-before) / float64(l.n)
			}
			run(2 * interval)
			bs[1].behave(bad)
			during := run(2 * interval)
			<-time.After(interval / 5) // what it executed then has been told
			out := run(interval)
			bs[1].behave(good)
			run(4 * interval)
			back := run(interval)
			t.Logf("interval %v: the bad backend serves %.1f %% for two intervals, then %.1f %%, and when it has recovered %.1f %%",
				interval, 100*during, 100*out, 100*back)
			if out > 0 {
				t.Errorf("the bad backend serves %.1f %% after two intervals, want none", 100*out)
			}
			if back < 0.3 {
				t.Errorf("the backend that has recovered serves %.1f %%, want a third", 100*back)
			}
		})
	}
}

// TestSlowBackend: with one of three backends ten times slower, least_request alone keeps p99
// within twice of what it is with healthy ones.
func TestSlowBackend(t *testing.T) {
	var e executions
	bs := mixed3(t, &e)
	const takes = 20 * time.Millisecond
	run := func(second behaviour) *load {
		for _, b := range bs {
			b.behave(behaviour{Takes: takes})
		}
		bs[1].behave(second)
		c := dial(t, bs, naru.WithBalancer(balancer.LeastRequest{}))
		l := &load{}
		l.run(t, c, plain, 200, underLoad(time.Minute, 4*time.Second))
		l.wantNoErrors(t, "nothing fails here")
		return l
	}
	healthy := run(behaviour{Takes: takes})
	before := bs[1].calls.Load()
	slow := run(behaviour{Takes: 10 * takes})
	t.Logf("p99 healthy %v, with a slow backend %v, which served %.1f %%; machine late by up to %v",
		healthy.quantile(0.99), slow.quantile(0.99), 100*float64(bs[1].calls.Load()-before)/float64(slow.n), slow.noise)
	if got, most := slow.quantile(0.99), 2*healthy.quantile(0.99)+3*slow.noise; got > most {
		t.Errorf("p99 with a slow backend: %v, want at most %v", got, most)
	}
}

// TestHedging: with 1 % of calls delayed 100 times, p99.9 falls at least 5 times for at most 5 %
// more calls sent, and nothing is executed that the client had not sent before it had its answer.
func TestHedging(t *testing.T) {
	const takes, lagging, delay = 10 * time.Millisecond, time.Second, 100 * time.Millisecond
	run := func(opts ...naru.ClientOption) (l *load, e *executions, attempts map[string]int) {
		e, attempts = &executions{}, map[string]int{}
		bs := mixed3(t, e)
		for _, b := range bs {
			b.behave(behaviour{Takes: takes, Lag: 100, Lagging: lagging})
		}
		var mu sync.Mutex
		c := dial(t, bs, append(opts, naru.WithBalancer(balancer.RoundRobin{}),
			naru.WithInterceptors(func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
				var id string
				call.OnSend(func(m any) (any, error) { id = m.(*text).Value; return m, nil })
				err := next(ctx)
				mu.Lock()
				defer mu.Unlock()
				attempts[id] = call.Attempts()
				return err
			}))...)
		l = &load{}
		l.run(t, c, idempotent, 200, underLoad(time.Minute, 5*time.Second))
		l.wantNoErrors(t, "nothing fails here")
		for _, b := range bs {
			b.kill() // so that all they executed is known
		}
		return l, e, attempts
	}
	without, _, _ := run()
	with, e, attempts := run(naru.WithServiceConfig(&serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{
		Name:          []serviceconfig.Name{{}},
		HedgingPolicy: &serviceconfig.HedgingPolicy{MaxAttempts: 3, HedgingDelay: delay},
	}}}))
	sent := 0
	for id, n := range attempts {
		sent += n
		if executed := e.n[id]; executed > n {
			t.Errorf("%s was sent %d times and executed %d times", id, n, executed)
		}
	}
	// No call is hedged before the delay is over. Of those answered later, 1 % of all that was
	// executed are the backends' doing; the machine has to answer for the rest.
	late := 0
	for _, took := range with.took {
		if took >= delay {
			late++
		}
	}
	machine := max(0, late-sent/100)
	extra := float64(sent-with.n) / float64(with.n)
	t.Logf("p99.9 %v without, %v with hedging; %d calls were sent as %d, %.1f %% more; machine late by up to %v",
		without.quantile(0.999), with.quantile(0.999), with.n, sent, 100*extra, with.noise)
	if got, most := with.quantile(0.999), without.quantile(0.999)/5+3*with.noise; got > most {
		t.Errorf("p99.9 with hedging: %v, want at most %v", got, most)
	}
	if len(attempts) != with.n || sent-with.n > 2*late {
		t.Errorf("%d attempts of %d calls, of which %d were not answered within the delay of hedging", sent, len(attempts), late)
	}
	if most := with.n/20 + 2*machine; sent-with.n > most {
		t.Errorf("%d calls were sent as %d, %.1f %% more, want at most 5 %% and %d for what the machine delayed", with.n, sent, 100*extra, 2*machine)
	}
}
