package balancer

import (
	"math"
	"slices"
	"sync/atomic"
)

// stride hands out indexes in proportion to weights, evenly interleaved, with one atomic addition
// per pick: what an earliest-deadline-first queue does (gRFC A58) without the queue and its lock.
//
// Picks are counted in rounds over all indexes. In round g index i is due if the multiples of its
// weight cross a multiple of the greatest weight between g-1 and g, otherwise it is passed over. So
// the heaviest is due in every round, and one of half its weight in every other.
type stride struct {
	weights []uint16 // scaled, so that the greatest is maxStride
	next    *atomic.Uint32
}

const (
	maxStride    = math.MaxUint16
	goldenStride = 40503 // maxStride * 0.618
	maxOverMean  = 10    // no index gets more than ten times its fair share
)

// newStride returns a scheduler; random is where it begins. Weights that are not above 0, or not
// finite, are replaced by the mean of the others (gRFC A58).
func newStride(weights []float64, random uint64) *stride {
	s := &stride{weights: make([]uint16, len(weights)), next: &atomic.Uint32{}}
	s.next.Store(uint32(random))
	weights = slices.Clone(weights)
	sum, n := 0.0, 0
	for i, w := range weights {
		weights[i] = boundWeight(w)
		if weights[i] > 0 {
			sum, n = sum+weights[i], n+1
		}
	}
	if n == 0 {
		for i := range s.weights {
			s.weights[i] = maxStride
		}
		return s
	}
	mean := sum / float64(n)
	// A pick passes over most/mean indexes on average. The bound keeps that small in a long list.
	most := min(slices.Max(weights), maxOverMean*mean)
	for i, w := range weights {
		if w <= 0 {
			w = mean
		}
		w = min(w, most)
		// At least 1: an index that is never due would be starved.
		s.weights[i] = uint16(max(1, math.Round(w/most*maxStride)))
	}
	return s
}

// Weights outside of these bounds are taken for the nearest one, so that sums, means and quotients
// of weights stay numbers: a backend names both operands of qps / utilization.
const (
	minWeight = 1e-9
	maxWeight = 1e15
)

// boundWeight returns a weight that is safe to compute with, 0 for one that is not known.
func boundWeight(w float64) float64 {
	if !(w > 0) { // NaN included
		return 0
	}
	return min(max(w, minWeight), maxWeight)
}

// pick returns the next index. The heaviest index is due in every round, so that one round finds
// it; calls that pick at the same time may take its turns away, which a second round bounds.
func (s *stride) pick() int {
	n := uint32(len(s.weights))
	var last int
	for range 2 * n {
		seq := s.next.Add(1)
		i, round := seq%n, uint64(seq/n)
		w := uint64(s.weights[i])
		// Each index has a phase of its own, so that those of equal weight are not all due in the
		// same rounds: multiples of the golden ratio spread evenly however many there are.
		phase := uint64(i) * goldenStride
		last = int(i)
		if (w*round+phase)%maxStride >= maxStride-w {
			break
		}
	}
	return last
}

// stridePicker gives calls to its pickers by weights that may change under way.
type stridePicker struct {
	pickers []Picker
	sched   atomic.Pointer[stride]
}

func (s *stridePicker) Pick(call *CallInfo, p *Pick) error {
	return s.pickers[s.sched.Load().pick()].Pick(call, p)
}
