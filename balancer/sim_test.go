package balancer

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/naru-rpc/naru/codes"
)

// sim is a queueing model in virtual time: calls arrive at random, each backend serves them in
// parallel and takes as long as it takes.
type sim struct {
	h      *fakeHost
	rnd    *rand.Rand
	events eventHeap
	served map[string]int
	took   []time.Duration
}

type event struct {
	at time.Time
	f  func()
}

type eventHeap []event

func (h eventHeap) Len() int           { return len(h) }
func (h eventHeap) Less(a, b int) bool { return h[a].at.Before(h[b].at) }
func (h eventHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *eventHeap) Push(x any)        { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// run sends calls at the rate per second for d; service tells how long a call takes, and how it
// ends.
func (s *sim) run(rate float64, d time.Duration, service func(addr string) (time.Duration, codes.Code)) {
	s.served, s.took = map[string]int{}, nil
	end := s.h.now.Add(d)
	var arrive func()
	arrive = func() {
		if s.h.now.After(end) {
			return
		}
		next := time.Duration(s.rnd.ExpFloat64() / rate * float64(time.Second))
		heap.Push(&s.events, event{s.h.now.Add(next), arrive})
		p := &Pick{}
		if err := s.h.state.Picker.Pick(&CallInfo{}, p); err != nil {
			panic(err)
		}
		addr := p.SubConn.Address().Addr
		s.served[addr]++
		took, code := service(addr)
		s.took = append(s.took, took)
		heap.Push(&s.events, event{s.h.now.Add(took), func() {
			p.Done(&DoneInfo{Code: code, Sent: true, Received: true})
		}})
	}
	heap.Push(&s.events, event{s.h.now, arrive})
	for s.events.Len() > 0 {
		e := heap.Pop(&s.events).(event)
		s.h.advance(max(0, e.at.Sub(s.h.now)))
		e.f()
	}
}

func (s *sim) quantile(q float64) time.Duration {
	slices.Sort(s.took)
	return s.took[int(q*float64(len(s.took)-1))]
}

// newSim connects a policy to three backends.
func newSim(t *testing.T, p Policy, addrs ...string) *sim {
	t.Helper()
	h := newFakeHost()
	b := p.New(h)
	if err := b.Update(Update{Endpoints: endpoints(addrs), Policy: p}); err != nil {
		t.Fatal(err)
	}
	(&tracer{t: t, h: h, bal: b}).run("up " + join(addrs))
	return &sim{h: h, rnd: rand.New(rand.NewPCG(3, 4))}
}

func join(addrs []string) (s string) {
	for _, a := range addrs {
		s += a + " "
	}
	return s
}

// exponential times with a mean of 5 ms, ten times that at the slow one.
func slowC(rnd *rand.Rand) func(string) (time.Duration, codes.Code) {
	return func(addr string) (time.Duration, codes.Code) {
		mean := 5.0
		if addr == "c:1" {
			mean = 50
		}
		return time.Duration((0.5 + 0.5*rnd.ExpFloat64()) * mean * float64(time.Millisecond)), codes.OK
	}
}

// TestLeastRequestKeepsAwayFromTheSlow: with one of three backends ten times slower, the 99th
// percentile stays within twice of what it is with healthy ones alone.
func TestLeastRequestKeepsAwayFromTheSlow(t *testing.T) {
	for _, rate := range []float64{50, 500, 2000} {
		healthy := newSim(t, LeastRequest{}, "a:1", "b:1")
		healthy.run(rate, time.Minute, slowC(healthy.rnd))
		want := 2 * healthy.quantile(0.99)

		s := newSim(t, LeastRequest{}, "a:1", "b:1", "c:1")
		s.run(rate, 5*time.Second, slowC(s.rnd)) // to learn
		s.run(rate, time.Minute, slowC(s.rnd))
		if got := s.quantile(0.99); got > want {
			t.Errorf("%v calls/s: p99 %v, want at most %v; served %v", rate, got, want, s.served)
		}
		if s.served["c:1"] == 0 {
			t.Errorf("%v calls/s: the slow backend was never tried again", rate)
		}

		blind := newSim(t, LeastRequest{IgnoreLatency: true}, "a:1", "b:1", "c:1")
		blind.run(rate, time.Minute, slowC(blind.rnd))
		if got := blind.quantile(0.99); got <= want {
			t.Errorf("%v calls/s: without looking at latency p99 is %v: the test does not show what it is for", rate, got)
		}
	}
}

// TestLeastRequestSharesEvenly: backends that are alike get alike.
func TestLeastRequestSharesEvenly(t *testing.T) {
	for _, p := range []LeastRequest{{}, {Choices: 3}, {IgnoreLatency: true}} {
		s := newSim(t, p, "a:1", "b:1", "d:1", "e:1")
		s.run(1000, 20*time.Second, slowC(s.rnd))
		for a, n := range s.served {
			if share := float64(n) / float64(len(s.took)); math.Abs(share-0.25) > 0.02 {
				t.Errorf("%+v: %s served %.1f %%, want about 25 %%", p, a, 100*share)
			}
		}
	}
}

// TestLeastRequestForgives: a backend that was slow and is not any more gets its share back.
func TestLeastRequestForgives(t *testing.T) {
	s := newSim(t, LeastRequest{}, "a:1", "b:1", "c:1")
	s.run(500, 20*time.Second, slowC(s.rnd))
	fast := func(string) (time.Duration, codes.Code) { return 5 * time.Millisecond, codes.OK }
	s.run(500, 30*time.Second, fast) // within this time it is tried again
	s.run(500, 10*time.Second, fast)
	if share := float64(s.served["c:1"]) / float64(len(s.took)); share < 0.25 {
		t.Errorf("the backend that recovered serves %.1f %%, want about a third", 100*share)
	}
}

// TestOutlierDetectionWithinTwoIntervals: a backend that is ten times slower, or fails half of its
// calls, is out within two intervals and back when it has recovered.
func TestOutlierDetectionWithinTwoIntervals(t *testing.T) {
	policy := OutlierDetection{
		Interval: 5 * time.Second, BaseEjection: 10 * time.Second, MaxPercent: 50,
		FailurePercentage: &FailurePercentageEjection{Threshold: 30, MinHosts: 3},
		Latency:           &LatencyEjection{},
	}
	good := func(string) (time.Duration, codes.Code) { return 5 * time.Millisecond, codes.OK }
	for name, bad := range map[string]func(s *sim) func(string) (time.Duration, codes.Code){
		"slow": func(s *sim) func(string) (time.Duration, codes.Code) { return slowC(s.rnd) },
		"failing": func(s *sim) func(string) (time.Duration, codes.Code) {
			return func(addr string) (time.Duration, codes.Code) {
				if addr == "c:1" && s.rnd.IntN(2) == 0 {
					return time.Millisecond, codes.Internal
				}
				return 5 * time.Millisecond, codes.OK
			}
		},
	} {
		s := newSim(t, policy, "a:1", "b:1", "c:1")
		s.run(300, 20*time.Second, good)
		if n := s.served["c:1"]; n < 1800 {
			t.Fatalf("%s: c served %d of 6000 while it was healthy", name, n)
		}
		s.run(300, 10*time.Second, bad(s))
		s.run(300, 5*time.Second, good)
		// The first call of the run may come in the moment of the sweep, before it.
		if n := s.served["c:1"]; n > 1 {
			t.Errorf("%s: c served %d calls after two intervals, want none", name, n)
		}
		s.run(300, 15*time.Second, good)
		s.run(300, 5*time.Second, good)
		if n := s.served["c:1"]; n < 400 {
			t.Errorf("%s: c served %d of 1500 after it had recovered, want about 500", name, n)
		}
	}
}
