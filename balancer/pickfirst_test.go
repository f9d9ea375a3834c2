package balancer

import (
	"testing"

	"github.com/naru-rpc/naru/resolver"
)

// TestPickFirstShuffle: gRFC A62. Over many updates each endpoint comes first about equally often,
// and the addresses within an endpoint keep their order.
func TestPickFirstShuffle(t *testing.T) {
	h := newFakeHost()
	b := PickFirst{}.New(h).(*pickFirst)
	b.policy.Shuffle = true
	eps := endpoints([]string{"a:1,a:2", "b:1", "c:1", "d:1"})
	first := map[resolver.Address]int{}
	const rounds = 4000
	for range rounds {
		order := b.order(eps)
		first[order[0]]++
		for i, a := range order {
			if a.Addr == "a:1" && (i+1 == len(order) || order[i+1].Addr != "a:2") {
				t.Fatalf("order %v: a:2 does not follow a:1", order)
			}
		}
	}
	for a, n := range first {
		// Binomial with p = 1/4: standard deviation 27; six of them.
		if n < rounds/4-165 || n > rounds/4+165 {
			t.Errorf("%v came first %d times of %d, want about %d", a, n, rounds, rounds/4)
		}
	}
	if len(first) != 4 {
		t.Errorf("came first: %v, want each of 4 endpoints", first)
	}
	if eps[0].Addresses[0].Addr != "a:1" || eps[3].Addresses[0].Addr != "d:1" {
		t.Errorf("the update's own list was changed: %v", eps)
	}
}
