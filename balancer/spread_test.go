package balancer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/naru-rpc/naru/resolver"
)

// TestXXH64 holds values of the reference implementation.
func TestXXH64(t *testing.T) {
	for _, tt := range []struct {
		in   string
		seed uint64
		want uint64
	}{
		{"", 0, 0xef46db3751d8e999},
		{"a", 0, 0xd24ec4f1a98c6e5b},
		{"abc", 0, 0x44bc2cf5ad770999},
		{"Nobody inspects the spammish repetition", 0, 0xfbcea83c8a378bf1},
		{"", 2654435761, 0xac75fda2929b17ef},
	} {
		if got := xxHash64(tt.in, tt.seed); got != tt.want {
			t.Errorf("xxHash64(%q, %d): got %#x, want %#x", tt.in, tt.seed, got, tt.want)
		}
	}
	long := string(make([]byte, 1000))
	if n := testing.AllocsPerRun(100, func() { xxHash64(long, 0) }); n != 0 {
		t.Errorf("allocations for 1000 bytes: got %v, want 0", n)
	}
}

// TestStrideAgainstMaths: over many picks each index gets its share, and never is one ahead of or
// behind its share by more than what the spacing of an ideal schedule allows.
func TestStrideAgainstMaths(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for _, weights := range [][]float64{
		{1, 1}, {1, 2, 3}, {1, 10}, {5, 5, 5, 1}, {0.001, 0.002}, {100, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		{3, 0, 1}, {0, 0, 0},
	} {
		s := newStride(weights, rnd.Uint64())
		share := idealShares(weights)
		counts := make([]int, len(weights))
		const picks = 40_000
		for n := 1; n <= picks; n++ {
			counts[s.pick()]++
			for i, c := range counts {
				// Phases are fixed by index, so that an index may be ahead by the picks of one of
				// its own periods.
				if lead := math.Abs(float64(c) - share[i]*float64(n)); lead > 3+0.001*float64(n) {
					t.Fatalf("weights %v: after %d picks index %d has %d, its share is %.1f", weights, n, i, c, share[i]*float64(n))
				}
			}
		}
	}
}

// idealShares is the share of each weight: those that are not known count as the mean, and none
// counts for more than ten times the mean.
func idealShares(weights []float64) []float64 {
	sum, n := 0.0, 0.0
	for _, w := range weights {
		if w > 0 {
			sum, n = sum+w, n+1
		}
	}
	out := make([]float64, len(weights))
	total := 0.0
	for i, w := range weights {
		switch {
		case n == 0:
			w = 1
		case w <= 0:
			w = sum / n
		default:
			w = min(w, 10*sum/n)
		}
		out[i] = w
		total += w
	}
	for i := range out {
		out[i] /= total
	}
	return out
}

func ringEndpoints(n int) []resolver.Endpoint {
	var eps []resolver.Endpoint
	for i := range n {
		eps = append(eps, resolver.EndpointsOf(fmt.Sprintf("10.0.%d.%d:443", i/256, i%256))...)
	}
	return eps
}

// owners returns which endpoint each of many keys belongs to, on a ring of so many places per
// endpoint.
func owners(eps []resolver.Endpoint, keys, places int) []string {
	r := newRing(eps, places*len(eps), 1<<20)
	out := make([]string, keys)
	for k := range out {
		p := r.points[r.find(xxHash64(fmt.Sprintf("user-%d", k), 0))]
		out[k] = eps[p.index].Addresses[0].Addr
	}
	return out
}

// TestRingMovement: when an endpoint goes, its keys move and no others; when one comes, keys move
// to it only, and about 1/n of them.
func TestRingMovement(t *testing.T) {
	const n, keys, places = 20, 20_000, 50
	eps := ringEndpoints(n)
	before := owners(eps, keys, places)
	gone := eps[7].Addresses[0].Addr
	after := owners(slices.Delete(slices.Clone(eps), 7, 8), keys, places)
	for k := range before {
		if before[k] != gone && before[k] != after[k] {
			t.Fatalf("key %d moved from %s to %s, and neither went", k, before[k], after[k])
		}
	}
	const added = "10.9.9.9:443"
	after = owners(append(slices.Clone(eps), resolver.EndpointsOf(added)...), keys, places)
	to := 0
	for k := range before {
		if before[k] == after[k] {
			continue
		}
		if after[k] != added {
			t.Fatalf("key %d moved from %s to %s, and neither came", k, before[k], after[k])
		}
		to++
	}
	if want := keys / (n + 1); to < want/2 || to > want*2 {
		t.Errorf("%d keys moved to the new endpoint, want about %d", to, want)
	}
}

// TestRingMovementBySize: the ring's size is a multiple of the number of endpoints (gRFC A42), so
// that with the default of 1024 the places per endpoint change a little with that number, and as
// many keys more move.
func TestRingMovementBySize(t *testing.T) {
	const keys = 20_000
	eps := ringEndpoints(20)
	fewer := eps[:19]
	perOld, perNew := math.Ceil(1024.0/20), math.Ceil(1024.0/19)
	of := func(eps []resolver.Endpoint, k int) string {
		r := newRing(eps, 1024, 4096)
		return eps[r.points[r.find(xxHash64(fmt.Sprint(k), 0))].index].Addresses[0].Addr
	}
	moved := 0
	for k := range keys / 20 {
		if a, b := of(eps, k), of(fewer, k); a != b && a != eps[19].Addresses[0].Addr {
			moved++
		}
	}
	if want := (perNew - perOld) / perNew * keys / 20; float64(moved) > 2*want {
		t.Errorf("%d of %d keys moved between endpoints that stayed, want about %.0f", moved, keys/20, want)
	}
}

// TestRingShares: places are in proportion to weights, keys about.
func TestRingShares(t *testing.T) {
	eps := ringEndpoints(5)
	for i := range eps {
		eps[i].Weight = uint32(i + 1)
	}
	r := newRing(eps, 1024, 4096)
	places := make([]float64, len(eps))
	for _, p := range r.points {
		places[p.index]++
	}
	for i, n := range places {
		if want := float64(i+1) / 15 * float64(len(r.points)); math.Abs(n-want) > 1 {
			t.Errorf("endpoint of weight %d has %v places of %d, want %.1f", i+1, n, len(r.points), want)
		}
	}
	if len(r.points) < 1024 || len(r.points) > 1100 {
		t.Errorf("the ring has %d places, want the smallest number from 1024 on that gives weight 1 a whole number", len(r.points))
	}
	if !slices.IsSortedFunc(r.points, func(a, b ringPoint) int {
		if a.hash < b.hash {
			return -1
		}
		return 1
	}) {
		t.Errorf("the ring is not sorted")
	}
	// The order of the list does not matter.
	other := slices.Clone(eps)
	slices.Reverse(other)
	r2 := newRing(other, 1024, 4096)
	for i := range r.points {
		if a, b := eps[r.points[i].index].Addresses[0], other[r2.points[i].index].Addresses[0]; a != b {
			t.Fatalf("place %d: %v from one list, %v from the reversed one", i, a, b)
		}
	}
}

// TestSubsetMath: gRFC A68, "if a single server is either added or removed to the endpoints list,
// every client will update at most 1 entry in its subset", and over many clients servers get about
// as many.
func TestSubsetMath(t *testing.T) {
	const servers, size, clients = 50, 10, 500
	eps := ringEndpoints(servers)
	load := map[string]int{}
	for seed := range uint64(clients) {
		before := subset(eps, size, seed)
		if len(before) != size {
			t.Fatalf("subset of %d, want %d", len(before), size)
		}
		for _, e := range before {
			load[e.Addresses[0].Addr]++
		}
		victim := int(seed) % servers
		after := subset(slices.Delete(slices.Clone(eps), victim, victim+1), size, seed)
		if d := difference(before, after); d > 1 {
			t.Fatalf("seed %d: %d entries changed when one server went", seed, d)
		}
	}
	for a, n := range load {
		// Binomial: mean 100, standard deviation 9; five of them.
		if n < 55 || n > 145 {
			t.Errorf("%s has %d clients, want about 100", a, n)
		}
	}
}

func difference(a, b []resolver.Endpoint) (n int) {
	in := map[string]bool{}
	for _, e := range b {
		in[e.Key()] = true
	}
	for _, e := range a {
		if !in[e.Key()] {
			n++
		}
	}
	return n
}

// TestDistinct: every pair and triple of different numbers is drawn equally often.
func TestDistinct(t *testing.T) {
	seen := map[[3]uint64]int{}
	for a := range uint64(5) {
		for b := range uint64(4) {
			for c := range uint64(3) {
				drawn := [maxChoices]uint64{a}
				drawn[1] = distinct(b, drawn[:1])
				drawn[2] = distinct(c, drawn[:2])
				got := [3]uint64{drawn[0], drawn[1], drawn[2]}
				slices.Sort(got[:])
				if got[0] == got[1] || got[1] == got[2] || got[2] > 4 {
					t.Fatalf("drew %v", got)
				}
				seen[got]++
			}
		}
	}
	for set, n := range seen {
		if n != 6 {
			t.Errorf("%v was drawn %d times of 60, want 6", set, n)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d sets of three out of five, want 10", len(seen))
	}
}
