package balancer

import (
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/naru-rpc/naru/resolver"
)

// ring places endpoints on a circle of hashes, each several times, in proportion to its weight:
// when one goes, its calls move to its neighbours and all others stay (gRFC A42).
type ring struct {
	points []ringPoint // sorted by hash
}

type ringPoint struct {
	hash  uint64
	index int // of the endpoint
}

// newRing makes a ring. gRFC A42, "Ring Construction": "The number of entries in the ring is equal
// to the smallest number greater than min_ring_size such that the subchannel with the smallest
// weight has a whole number of entries, clamped to max_ring_size."
func newRing(eps []resolver.Endpoint, minSize, maxSize int) *ring {
	// In the order of keys, so that clients that got the list in another order build the same ring:
	// rounding depends on the order.
	order := make([]int, len(eps))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return hashKey(eps[order[a]]) < hashKey(eps[order[b]]) })
	total, least := 0.0, math.Inf(1)
	for _, e := range eps {
		w := weightOf(e)
		total += w
		least = min(least, w)
	}
	share := least / total
	scale := min(math.Ceil(share*float64(minSize))/share, float64(maxSize))
	r := &ring{}
	target := 0.0
	for _, i := range order {
		target += scale * weightOf(eps[i]) / total
		key := hashKey(eps[i])
		for n := 0; float64(len(r.points)) < target; n++ {
			r.points = append(r.points, ringPoint{xxHash64(key+"_"+strconv.Itoa(n), 0), i})
		}
	}
	slices.SortFunc(r.points, func(a, b ringPoint) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return a.index - b.index
	})
	return r
}

// hashKey is the text an endpoint's places are derived from. gRFC A76: "If this attribute is not
// set or empty, then the endpoint's first address is hashed".
func hashKey(e resolver.Endpoint) string {
	if e.HashKey != "" {
		return e.HashKey
	}
	return e.Addresses[0].Addr
}

func weightOf(e resolver.Endpoint) float64 { return float64(max(e.Weight, 1)) }

// find returns the index of the first point at or after hash.
func (r *ring) find(hash uint64) int {
	i := sort.Search(len(r.points), func(i int) bool { return r.points[i].hash >= hash })
	if i == len(r.points) {
		return 0
	}
	return i
}
