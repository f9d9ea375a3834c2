package channel

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

func backends3(t *testing.T, h handler) []*backend {
	return []*backend{
		start(t, "127.0.0.1", 0, naruServer(), h),
		start(t, "127.0.0.1", 0, grpcServer(), h),
		start(t, "127.0.0.1", 0, naruServer(), h),
	}
}

// stopped is when a backend was stopped.
type stopped struct {
	addr string
	when span
}

// restartAll restarts the backends one after another until ctx ends, each down for a while. It
// returns when they were stopped.
func restartAll(ctx context.Context, bs []*backend, stop func(*backend)) (stops []stopped) {
	for ctx.Err() == nil {
		for _, b := range bs {
			from := time.Now()
			stop(b)
			stops = append(stops, stopped{b.addr, span{from, time.Now()}})
			wait(ctx, 300*time.Millisecond)
			b.up()
			wait(ctx, 700*time.Millisecond)
		}
	}
	return stops
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// executions counts how often each request was executed, by whichever backend.
type executions struct {
	mu sync.Mutex
	n  map[string]int
}

func (e *executions) add(req string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n == nil {
		e.n = map[string]int{}
	}
	e.n[req]++
}

func (e *executions) handle(_ context.Context, req string) (string, error) {
	e.add(req)
	<-time.After(2 * time.Millisecond)
	return req, nil
}

// processes3 are backends in processes of their own.
func processes3(t *testing.T, e *executions) []*backend {
	return []*backend{
		start(t, "127.0.0.1", 0, processServer("naru", e.add), nil),
		start(t, "127.0.0.1", 0, processServer("grpc-go", e.add), nil),
		start(t, "127.0.0.1", 0, processServer("naru", e.add), nil),
	}
}

// underRestarts sends 500 calls a second while the backends are restarted.
func underRestarts(t *testing.T, bs []*backend, stop func(*backend), m *naru.MethodInfo) (l *load, stops []stopped) {
	t.Helper()
	c := dial(t, bs, naru.WithBalancer(balancer.RoundRobin{}))
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { stops = restartAll(ctx, bs, stop) })
	l = &load{}
	l.run(t, c, m, 500, underLoad(time.Minute, 3*time.Second))
	cancel()
	wg.Wait()
	for _, b := range bs {
		b.kill() // so that all they executed is known
	}
	t.Logf("%d calls, %d failed, %d restarts; p50 %v, p99 %v, slowest %v; machine late by up to %v",
		l.n, len(l.errs), len(stops), l.quantile(0.5), l.quantile(0.99), l.quantile(1), l.noise)
	return l, stops
}

// TestRollingRestartIdempotent: 3 backends are restarted one after another under 500 calls a second
// of an idempotent method, drained the one time and killed the other: no call fails.
func TestRollingRestartIdempotent(t *testing.T) {
	t.Parallel()
	t.Run("drained", func(t *testing.T) {
		var e executions
		l, _ := underRestarts(t, backends3(t, e.handle), (*backend).drain, idempotent)
		l.wantNoErrors(t, "idempotent calls are retried elsewhere")
	})
	t.Run("killed", func(t *testing.T) {
		var e executions
		l, _ := underRestarts(t, processes3(t, &e), (*backend).kill, idempotent)
		l.wantNoErrors(t, "idempotent calls are retried elsewhere")
	})
}

// TestRollingRestartOnce: of a method that is not idempotent every call is executed at most once.
// Backends that drain fail none; of those that are killed only calls in flight on them fail.
func TestRollingRestartOnce(t *testing.T) {
	t.Parallel()
	wantOnce := func(t *testing.T, e *executions) {
		t.Helper()
		for id, n := range e.n {
			if n > 1 {
				t.Errorf("%s was executed %d times", id, n)
			}
		}
		if len(e.n) == 0 {
			t.Errorf("nothing was executed: the test does not show what it is for")
		}
	}
	t.Run("drained", func(t *testing.T) {
		var e executions
		l, _ := underRestarts(t, backends3(t, e.handle), (*backend).drain, plain)
		wantOnce(t, &e)
		l.wantNoErrors(t, "a backend that drains finishes what it began, and tells what it did not begin")
	})
	t.Run("killed", func(t *testing.T) {
		var e executions
		l, stops := underRestarts(t, processes3(t, &e), (*backend).kill, plain)
		wantOnce(t, &e)
		for i, s := range l.spans {
			if !inFlight(l.errs[i], s, stops, 10*time.Millisecond+l.noise) {
				t.Errorf("%s failed, not in flight on a backend that was killed in %v: %v", l.ids[i], s, l.errs[i])
			}
		}
		// A backend has a call of 2 ms in flight for a third of the time.
		if most := len(stops) * (5 + int(l.noise/time.Millisecond)); len(l.errs) > most {
			t.Errorf("%d of %d calls failed at %d kills; first: %v", len(l.errs), l.n, len(stops), l.errs[0])
		}
	})
}

// inFlight tells whether a call that failed was on a backend when that was stopped. The client
// hears of it some time later.
func inFlight(err error, took span, stops []stopped, hears time.Duration) bool {
	return status.Code(err) == codes.Unavailable && slices.ContainsFunc(stops, func(s stopped) bool {
		s.when.to = s.when.to.Add(hears)
		return strings.Contains(err.Error(), s.addr) && took.overlaps(s.when)
	})
}

// TestMaxAge: a server that ends connections after 2 s under 100 calls a second: nobody notices.
func TestMaxAge(t *testing.T) {
	t.Parallel()
	naruOpts, grpcOpts := maxAge(2 * time.Second)
	if !*long {
		naruOpts, grpcOpts = maxAge(500 * time.Millisecond)
	}
	bothStacks(t, naruOpts, grpcOpts, func(t *testing.T, make func(*backend) runner) {
		b := start(t, "127.0.0.1", 0, make, echo)
		c := dial(t, []*backend{b})
		var l load
		l.run(t, c, plain, 100, underLoad(time.Minute, 2500*time.Millisecond))
		t.Logf("%d calls, %d failed, %d connections; p99 %v, slowest %v; machine late by up to %v",
			l.n, len(l.errs), b.conns.Load(), l.quantile(0.99), l.quantile(1), l.noise)
		l.wantNoErrors(t, "the connection's successor takes over")
		if n := b.conns.Load(); n < 4 {
			t.Errorf("%d connections were made: the test does not show what it is for", n)
		}
	})
}
