package balancer

import (
	"math"
	"testing"
	"testing/quick"
	"time"

	"github.com/naru-rpc/naru/resolver"
)

// Numbers of a load report are the backend's to choose: whatever they are, weights stay numbers and
// a pick stays short.

// wildNumbers are where float64 arithmetic stops being arithmetic.
var wildNumbers = []float64{
	0, -1, 1e-300, math.SmallestNonzeroFloat64, 1, 100, 1e15, 1e300, math.MaxFloat64, -math.MaxFloat64,
	math.Inf(1), math.Inf(-1), math.NaN(),
}

// weightAfter is the weight of an endpoint that sent the report r over the wire.
func weightAfter(t testing.TB, r *LoadReport, penalty float64) float64 {
	h := newFakeHost()
	p := WeightedRoundRobin{Blackout: -1, ErrorPenalty: penalty}.withDefaults()
	e := &endpointWeight{clock: h, penalty: p.ErrorPenalty}
	e.Done(&DoneInfo{Load: string(AppendLoadReport(nil, r))}, 0)
	w := e.weight(h.now, &p)
	if !(w >= 0 && w <= maxWeight) {
		t.Fatalf("report %+v: weight %v, want one from 0 to %v", *r, w, maxWeight)
	}
	return w
}

func TestLoadReportsOfWildNumbers(t *testing.T) {
	for _, qps := range wildNumbers {
		for _, cpu := range wildNumbers {
			for _, eps := range wildNumbers {
				w := weightAfter(t, &LoadReport{QPS: qps, CPU: cpu, EPS: eps}, 1)
				for _, list := range [][]float64{{w}, {w, w}, {w, 100, 100}, {100, w, 0}} {
					picksInProportion(t, list)
				}
			}
		}
	}
	// More errors than requests are as bad as it gets, but do not make the backend one of unknown
	// weight.
	if w := weightAfter(t, &LoadReport{QPS: 1e-300, CPU: 1, EPS: 1e300}, math.MaxFloat64); w != minWeight {
		t.Errorf("weight of a backend that only fails: %v, want %v", w, minWeight)
	}
}

// A backend cannot have more errors than requests. One that counts something else as its errors is
// not taken for one that is a million times as slow: it would be given nothing for as long as it
// reports.
func TestErrorShareIsBounded(t *testing.T) {
	for eps, want := range map[float64]float64{0: 1000, 1000: 500, 100_000: 1000.0 / 101, 1e12: 1000.0 / 101, math.MaxFloat64: 1000.0 / 101} {
		if w := weightAfter(t, &LoadReport{QPS: 1000, CPU: 1, EPS: eps}, 1); math.Abs(w-want) > 1e-9*want {
			t.Errorf("%v errors a second at 1,000 requests: weight %v, want %v", eps, w, want)
		}
	}
}

// picksInProportion picks a few rounds and counts the indexes passed over.
func picksInProportion(t testing.TB, weights []float64) {
	s := newStride(weights, 1)
	for range 3 * len(weights) {
		before := s.next.Load()
		if i := s.pick(); i < 0 || i >= len(weights) {
			t.Fatalf("weights %v: picked index %d", weights, i)
		}
		if n := s.next.Load() - before; int(n) > len(weights) {
			t.Fatalf("weights %v (scaled %v): a pick passed over %d indexes, want at most %d", weights, s.weights, n, len(weights))
		}
	}
}

func TestStrideOfAnyWeights(t *testing.T) {
	f := func(weights []float64, wild []uint8) bool {
		for i, at := range wild {
			if len(weights) > 0 {
				weights[int(at)%len(weights)] = wildNumbers[i%len(wildNumbers)]
			}
		}
		if len(weights) > 0 {
			picksInProportion(t, weights)
		}
		return true
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

// A pick that the others always overtake ends all the same.
func TestStridePickIsBounded(t *testing.T) {
	s := newStride([]float64{1, 1, 1}, 0)
	clear(s.weights) // never due
	if i := s.pick(); i < 0 || i > 2 || s.next.Load() != 6 {
		t.Errorf("picked %d after %d indexes, want one of three after two rounds", i, s.next.Load())
	}
}

func FuzzLoadReport(f *testing.F) {
	for _, v := range wildNumbers {
		f.Add(AppendLoadReport(nil, &LoadReport{QPS: v, CPU: v, EPS: 1, Named: map[string]float64{"x": v}}), v)
	}
	f.Fuzz(func(t *testing.T, wire []byte, penalty float64) {
		var r LoadReport
		if ParseLoadReport(string(wire), &r) != nil {
			return
		}
		if math.IsNaN(penalty) {
			penalty = 0
		}
		w := weightAfter(t, &r, penalty)
		picksInProportion(t, []float64{w, w / 3, 100})
	})
}

func TestSlowStartKeepsAWeight(t *testing.T) {
	for _, s := range []SlowStart{
		{Window: time.Hour, Aggression: 1e-300, MinWeight: math.SmallestNonzeroFloat64},
		{Window: math.MaxInt64, Aggression: 0.001, MinWeight: math.SmallestNonzeroFloat64},
		{Window: 1, Aggression: math.MaxFloat64},
	} {
		for _, at := range []time.Duration{0, 1, time.Second, math.MaxInt64} {
			if v := s.scale(at); !(v >= leastScale && v <= 1) {
				t.Errorf("%+v after %v: factor %v, want one from %v to 1", s, at, v, leastScale)
			}
		}
	}
}

func TestEjectionTimesDoNotOverflow(t *testing.T) {
	for _, tt := range []struct {
		base, longest time.Duration
		n             int
		want          time.Duration
	}{
		{30 * time.Second, 300 * time.Second, 1, 30 * time.Second},
		{30 * time.Second, 300 * time.Second, 10, 300 * time.Second},
		{30 * time.Second, 300 * time.Second, 11, 300 * time.Second},
		{math.MaxInt64 / 2, math.MaxInt64, 3, math.MaxInt64},
		{math.MaxInt64, 1, math.MaxInt, math.MaxInt64},
	} {
		b := &outlierDetection{policy: OutlierDetection{BaseEjection: tt.base, MaxEjection: tt.longest}}
		if got := b.away(&watchedEndpoint{multiplier: tt.n}); got != tt.want {
			t.Errorf("base %v, longest %v, time %d: away for %v, want %v", tt.base, tt.longest, tt.n, got, tt.want)
		}
	}
}

func TestRingOfHugeWeights(t *testing.T) {
	eps := resolver.EndpointsOf("a:1", "a:1", "b:1")
	for i := range eps {
		eps[i].Weight = math.MaxUint32
	}
	merged := mergeWeights(eps)
	if len(merged) != 2 || merged[0].Weight != math.MaxUint32 {
		t.Fatalf("merged to %+v, want two endpoints of the largest weight", merged)
	}
	merged[1].Weight = 1
	if n := len(newRing(merged, defaultRingMin, maxRing).points); n < 1 || n > maxRing {
		t.Errorf("a ring of %d points, want 1 to %d", n, maxRing)
	}
}
