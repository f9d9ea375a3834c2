package channel

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
)

func backends3(t *testing.T, h handler) []*backend {
	return []*backend{
		start(t, "127.0.0.1", 0, naruServer(), h),
		start(t, "127.0.0.1", 0, grpcServer(), h),
		start(t, "127.0.0.1", 0, naruServer(), h),
	}
}

// restartAll restarts the backends one after another until ctx ends, each down for a while.
func restartAll(ctx context.Context, bs []*backend, stop func(*backend)) {
	for ctx.Err() == nil {
		for _, b := range bs {
			stop(b)
			wait(ctx, 300*time.Millisecond)
			b.up()
			wait(ctx, 700*time.Millisecond)
		}
	}
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
func underRestarts(t *testing.T, bs []*backend, stop func(*backend), m *naru.MethodInfo) *load {
	t.Helper()
	c := dial(t, bs, naru.WithBalancer(balancer.RoundRobin{}))
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { restartAll(ctx, bs, stop) })
	l := &load{}
	l.run(t, c, m, 500, underLoad(time.Minute, 3*time.Second))
	cancel()
	wg.Wait()
	for _, b := range bs {
		b.kill() // so that all they executed is known
	}
	return l
}

// TestRollingRestartIdempotent: 3 backends are restarted one after another under 500 calls a second of an idempotent
// method, drained the one time and killed the other: no call fails.
func TestRollingRestartIdempotent(t *testing.T) {
	t.Parallel()
	t.Run("drained", func(t *testing.T) {
		var e executions
		l := underRestarts(t, backends3(t, e.handle), (*backend).drain, idempotent)
		l.wantNoErrors(t, "idempotent calls are retried elsewhere")
	})
	t.Run("killed", func(t *testing.T) {
		var e executions
		l := underRestarts(t, processes3(t, &e), (*backend).kill, idempotent)
		l.wantNoErrors(t, "idempotent calls are retried elsewhere")
	})
}

// TestRollingRestartOnce: of a method that is not idempotent every call is executed at most once. Backends that drain
// fail none; of those that are killed only calls in flight on them fail.
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
		l := underRestarts(t, backends3(t, e.handle), (*backend).drain, plain)
		wantOnce(t, &e)
		l.wantNoErrors(t, "a backend that drains finishes what it began, and tells what it did not begin")
	})
	t.Run("killed", func(t *testing.T) {
		var e executions
		l := underRestarts(t, processes3(t, &e), (*backend).kill, plain)
		wantOnce(t, &e)
		// One backend is killed a second, and has a call in flight for 2 ms of the 6 ms between two of its own.
		if most := 5 * int(underLoad(time.Minute, 3*time.Second)/time.Second); len(l.errs) > most {
			t.Errorf("%d of %d calls failed, more than were in flight on the killed backends; first: %v", len(l.errs), l.n, l.errs[0])
		}
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
		l.wantNoErrors(t, "the connection's successor takes over")
		if n := b.conns.Load(); n < 4 {
			t.Errorf("%d connections were made: the test does not show what it is for", n)
		}
	})
}
