package naru_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// Cancelling is part of gRPC: clients that come as near as honest ones do to the limits that are
// there for floods. Minutes of it in virtual time, our own defaults on both ends, all over one
// connection.

// crowd is callers who share a connection with a stream that has nothing to do with them.
type crowd struct {
	t      *testing.T
	c      *cluster
	client *naru.Client
	ping   func() error
}

func newCrowd(t *testing.T) *crowd {
	c := newCluster(t, "backend").up()
	w := &crowd{t: t, c: c, client: c.dial("passthrough:///backend", naru.WithConnectionScaling(1))}
	s, err := stub.NewBidiStreamingClient[text, text](t.Context(), w.client, methodBidi)
	if err != nil {
		t.Fatal(err)
	}
	w.ping = func() error {
		if err := s.Send(str("p")); err != nil {
			return err
		}
		_, err := s.Recv()
		return err
	}
	return w
}

// shortened returns a tenth of a time under the race detector, which makes the whole much slower.
func shortened(d time.Duration) time.Duration {
	if raceEnabled {
		return d / 10
	}
	return d
}

// run has callers call for d, one call each interval, and sees to the stream beside them meanwhile.
func (w *crowd) run(d time.Duration, callers int, interval time.Duration, call func()) {
	w.t.Helper()
	d = shortened(d)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			time.Sleep(interval * time.Duration(i) / time.Duration(callers))
			tick := time.NewTicker(interval)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					call()
				case <-stop:
					return
				}
			}
		})
	}
	for start := time.Now(); time.Since(start) < d; time.Sleep(100 * time.Millisecond) {
		before := time.Now()
		if err := w.ping(); err != nil {
			w.t.Errorf("the stream beside them ended after %v: %v", time.Since(start), err)
			break
		}
		if took := time.Since(before); took > 10*time.Millisecond {
			w.t.Errorf("the stream beside them was held up for %v", took)
			break
		}
	}
	close(stop)
	wg.Wait()
}

// other calls another method of the backend.
func (w *crowd) other() error {
	s, err := stub.NewServerStreamingClient[text](w.t.Context(), w.client, methodServer, str("x"), naru.WithTimeout(time.Second))
	if err != nil {
		return err
	}
	for _, err := range s.All() {
		if err != nil {
			return err
		}
	}
	return nil
}

// end checks that no connection was lost.
func (w *crowd) end() {
	stats := w.c.bs[0].srv.Stats()
	if stats.Accepted != 1 || len(stats.Ended) > 0 {
		w.t.Errorf("%d connections, ended %v; want the one", stats.Accepted, stats.Ended)
	}
	_ = w.client.Close()
	w.c.bs[0].drain() // waits for the handlers as well
}

// 300 calls a second with deadlines of 20 ms, which a good handler heeds.
func TestCrowdOfDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t)
		w.c.bs[0].does(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		w.run(2*time.Minute, 10, 33*time.Millisecond, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			err := w.client.Invoke(ctx, methodUnary, str("q"), new(text))
			if status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("a call with a deadline of 20 ms: %v", err)
			}
		})
		w.end()
	})
}

// Hedging at full speed: each loser is a call given up.
func TestCrowdOfHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t)
		w.c.bs[0].takes(5 * time.Millisecond)
		hedge := serviceconfig.HedgingPolicy{MaxAttempts: 4, HedgingDelay: time.Millisecond, NonFatalStatusCodes: []codes.Code{codes.Unavailable}}
		w.run(8*time.Second, 10, 10*time.Millisecond, func() {
			if err := w.client.Invoke(context.Background(), methodUnary, str("q"), new(text), naru.WithHedging(hedge)); err != nil {
				t.Errorf("a hedged call: %v", err)
			}
		})
		w.end()
	})
}

// A dependency that hangs for 5 s, with handlers that do not look at their contexts and callers
// with deadlines who try again at once. Other methods are served meanwhile, and the slow one as
// soon as the dependency is back.
func TestCrowdAtAnOverloadedHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t)
		back := make(chan struct{})
		w.c.bs[0].does(func(context.Context, string) error { <-back; return nil })
		hang := shortened(5 * time.Second)
		time.AfterFunc(hang, func() { close(back) })
		var served atomic.Int64
		start := time.Now()
		w.run(10*time.Second, 100, 50*time.Millisecond, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			err := w.client.Invoke(ctx, methodUnary, str("slow"), new(text))
			switch {
			case err == nil:
				served.Add(1)
			case status.Code(err) != codes.DeadlineExceeded || time.Since(start) > hang+100*time.Millisecond:
				t.Errorf("after %v: %v", time.Since(start), err)
			}
			if err := w.other(); err != nil {
				t.Errorf("a call of another method: %v", err)
			}
		})
		if want := int64(shortened(5*time.Second) / (5 * time.Millisecond)); served.Load() < want {
			t.Errorf("%d calls served after the dependency was back", served.Load())
		}
		w.end()
	})
}
