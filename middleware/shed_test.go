package middleware_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/middleware"
	"github.com/naru-rpc/naru/status"
)

// workers is a handler that does eight calls at a time, each in ten milliseconds: 800 a second.
// Others wait, as they do for a processor or for connections of a database. It works on calls too
// that nobody waits for any more.
func workers() handler {
	slots := make(chan struct{}, 8)
	return func(_ context.Context, m *text) (*text, error) {
		slots <- struct{}{}
		defer func() { <-slots }()
		time.Sleep(8*time.Millisecond + rand.N(4*time.Millisecond))
		return m, nil
	}
}

const capacity = 800

type loadResult struct {
	goodput float64 // OK within the deadline, per second
	p99     time.Duration
	refused int
}

// offer calls at a rate, whatever becomes of the calls, and measures after the first five seconds.
func offer(ctx context.Context, c *naru.Client, rate float64, deadline time.Duration) loadResult {
	const warm, measured = 5 * time.Second, 15 * time.Second
	var (
		mu   sync.Mutex
		took []time.Duration
		r    loadResult
		wg   sync.WaitGroup
	)
	begin := time.Now()
	for at := time.Duration(0); at < warm+measured; at += time.Duration(rand.ExpFloat64() / rate * float64(time.Second)) {
		time.Sleep(time.Until(begin.Add(at)))
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			start := time.Now()
			_, err := invoke(ctx, c, put, "x")
			if start.Sub(begin) < warm {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch status.Code(err) {
			case codes.OK:
				took = append(took, time.Since(start))
			case codes.ResourceExhausted:
				r.refused++
			}
		})
	}
	wg.Wait()
	r.goodput = float64(len(took)) / measured.Seconds()
	if len(took) > 0 {
		slices.Sort(took)
		r.p99 = took[len(took)*99/100]
	}
	return r
}

func measureLoad(t *testing.T, times float64, in ...naru.Interceptor) (r loadResult) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, workers(), on(in...))
		r = offer(t.Context(), c, times*capacity, 200*time.Millisecond)
	})
	t.Logf("%.1fx of the capacity, %d interceptors: goodput %.0f/s, p99 %v, %d refused", times, len(in), r.goodput, r.p99, r.refused)
	return r
}

// TestShedLoadKeepsGoodput: at three times the capacity of a handler, goodput stays at 90 % of its
// peak and the calls that are let in take no more than three times as long as without load; without
// the interceptor next to no call is answered in time.
func TestShedLoadKeepsGoodput(t *testing.T) {
	unloaded := measureLoad(t, 0.3)
	peak := 0.0
	for _, times := range []float64{1, 1.5} {
		peak = max(peak, measureLoad(t, times, middleware.ShedLoad(middleware.ShedLoadConfig{})).goodput)
	}
	with := measureLoad(t, 3, middleware.ShedLoad(middleware.ShedLoadConfig{}))
	if with.goodput < 0.9*peak {
		t.Errorf("goodput at 3x is %.0f/s, want 90 %% of the peak of %.0f/s", with.goodput, peak)
	}
	if with.p99 > 3*unloaded.p99 {
		t.Errorf("p99 at 3x is %v, want at most 3 times the %v without load", with.p99, unloaded.p99)
	}
	without := measureLoad(t, 3)
	if without.goodput > peak/2 {
		t.Errorf("goodput without shedding is %.0f/s: the test does not overload the server", without.goodput)
	}
}

func TestShedLoadPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		c := serve(t, func(_ context.Context, m *text) (*text, error) { <-block; return m, nil },
			on(middleware.ShedLoad(middleware.ShedLoadConfig{Initial: 20, PriorityHeader: "x-priority"})))
		var wg sync.WaitGroup
		admitted := map[string]int{}
		for _, p := range []struct {
			name string
			want int
		}{{"low", 15}, {"", 4}, {"critical", 1}} {
			ctx := t.Context()
			if p.name != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "x-priority", p.name)
			}
			refused := 0
			var mu sync.Mutex
			for range 30 {
				wg.Go(func() {
					if _, err := invoke(ctx, c, put, "x"); status.Code(err) == codes.ResourceExhausted {
						mu.Lock()
						refused++
						mu.Unlock()
					}
				})
			}
			synctest.Wait()
			mu.Lock()
			admitted[p.name] = 30 - refused
			mu.Unlock()
			if admitted[p.name] != p.want {
				t.Errorf("priority %q: %d calls were let in, want %d", p.name, admitted[p.name], p.want)
			}
		}
		close(block)
		wg.Wait()
	})
}
