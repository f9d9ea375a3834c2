package channel

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
)

// load is what came of many calls.
type load struct {
	mu     sync.Mutex
	n      int
	errs   []error
	ids    []string // of calls that failed
	spans  []span   // of calls that failed
	took   []time.Duration
	answer map[string]int
	// noise is how late the machine was at worst with what it had to do at a time. It is what tests
	// under load add to bounds of time.
	noise time.Duration
}

// span is from when to when something took.
type span struct{ from, to time.Time }

func (s span) String() string { return s.from.Format("05.000") + "-" + s.to.Format("05.000") }

// overlaps tells whether s and o have a moment in common.
func (s span) overlaps(o span) bool { return !s.from.After(o.to) && !o.from.After(s.to) }

// listenToNoise measures until ctx ends.
func (l *load) listenToNoise(ctx context.Context) {
	const nap = 5 * time.Millisecond
	for ctx.Err() == nil {
		began := time.Now()
		<-time.After(nap)
		l.noise = max(l.noise, time.Since(began)-nap)
	}
}

// run sends calls at a steady rate, whatever becomes of them, for d, and waits for the last one.
func (l *load) run(t testing.TB, c *naru.Client, m *naru.MethodInfo, rate int, d time.Duration, opts ...naru.CallOption) {
	t.Helper()
	l.answer = map[string]int{}
	var wg, listener sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	listener.Go(func() { l.listenToNoise(ctx) })
	defer listener.Wait()
	defer stop()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	end := time.After(d)
	for {
		select {
		case <-tick.C:
			id := fmt.Sprint("call-", l.n)
			l.n++
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				start := time.Now()
				res, err := invoke(ctx, c, m, id, opts...)
				took := time.Since(start)
				l.mu.Lock()
				defer l.mu.Unlock()
				l.took = append(l.took, took)
				if err != nil {
					l.errs = append(l.errs, err)
					l.ids = append(l.ids, id)
					l.spans = append(l.spans, span{start, start.Add(took)})
				}
				l.answer[res]++
			})
		case <-end:
			wg.Wait()
			return
		}
	}
}

func (l *load) wantNoErrors(t testing.TB, why string) {
	t.Helper()
	if len(l.errs) > 0 {
		t.Errorf("%d of %d calls failed, want none: %s\nfirst: %v", len(l.errs), l.n, why, l.errs[0])
	}
}

func (l *load) quantile(q float64) time.Duration {
	slices.Sort(l.took)
	return l.took[int(q*float64(len(l.took)-1))]
}
