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

// TestRollingRestartIdempotent: 3 backends are restarted one after another under 500 calls a second of an idempotent
// method, drained the one time and killed the other: no call fails.
func TestRollingRestartIdempotent(t *testing.T) {
	for name, stop := range map[string]func(*backend){"drained": (*backend).drain, "killed": (*backend).kill} {
		t.Run(name, func(t *testing.T) {
			bs := backends3(t, func(_ context.Context, req string) (string, error) {
				<-time.After(2 * time.Millisecond)
				return req, nil
			})
			c := dial(t, bs, naru.WithBalancer(balancer.RoundRobin{}))
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { restartAll(ctx, bs, stop) })
			var l load
			l.run(t, c, idempotent, 500, underLoad(time.Minute, 3*time.Second))
			cancel()
			wg.Wait()
			l.wantNoErrors(t, "idempotent calls are retried elsewhere")
		})
	}
}

// TestRollingRestartOnce: of a method that is not idempotent every call is executed at most once; drained backends
// fail none, and of the killed only calls in flight on them.
func TestRollingRestartOnce(t *testing.T) {
	for name, stop := range map[string]func(*backend){"drained": (*backend).drain, "killed": (*backend).kill} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			executed := map[string]int{}
			bs := backends3(t, func(_ context.Context, req string) (string, error) {
				mu.Lock()
				executed[req]++
				mu.Unlock()
				<-time.After(2 * time.Millisecond)
				return req, nil
			})
			c := dial(t, bs, naru.WithBalancer(balancer.RoundRobin{}))
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { restartAll(ctx, bs, stop) })
			var l load
			l.run(t, c, plain, 500, underLoad(time.Minute, 3*time.Second))
			cancel()
			wg.Wait()
			for id, n := range executed {
				if n > 1 {
					t.Errorf("%s was executed %d times", id, n)
				}
			}
			if name == "drained" {
				l.wantNoErrors(t, "a backend that drains finishes what it began, and tells what it did not")
				return
			}
			// A call that was not on a killed backend was never executed and failed: that must not be. One whose
			// request was on its way may have been executed or not.
			if kills := 4 * underLoad(60, 3); len(l.errs) > 10*int(kills) {
				t.Errorf("%d of %d calls failed, more than were in flight on killed backends; first: %v", len(l.errs), l.n, l.errs[0])
			}
		})
	}
}

// TestMaxAge: a server that ends connections after 2 s under 100 calls a second: nobody notices.
func TestMaxAge(t *testing.T) {
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
