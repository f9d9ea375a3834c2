package features

import (
	"fmt"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/resolver"
)

// TestRingHashHeader: calls with the same value of the header go to one backend, from the first on,
// however the header was attached; others go elsewhere.
func TestRingHashHeader(t *testing.T) {
	byGo := naru.WithBalancer(balancer.RingHash{Header: "x-user"})
	byJSON := json("ring_hash_experimental", `{"requestHashHeader":"x-user"}`)
	for name, opt := range map[string]naru.ClientOption{"WithBalancer": byGo, "service config": byJSON} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				c := fl.client(opt)
				served := map[string]string{}
				for i := range 40 {
					user := fmt.Sprint("user-", i)
					served[user] = want(t, c, naru.WithMetadata("x-user", user))
				}
				if n := len(spreadOf(served)); n != 4 {
					t.Errorf("40 users were served by %d of 4 backends, want all", n)
				}
				again := fl.client(opt) // another client builds the same ring
				for user, backend := range served {
					if got := spread(t, c, 5, naru.WithMetadata("x-user", user)); got[backend] != 5 {
						t.Errorf("5 calls of %s went to %v, want all to %s as the first", user, got, backend)
					}
					if got := want(t, again, naru.WithMetadata("other", "x", "x-user", user)); got != backend {
						t.Errorf("%s: another client's call went to %s, want %s", user, got, backend)
					}
				}
				if got := spread(t, c, 200); len(got) != 4 {
					t.Errorf("200 calls without the header went to %v, want random backends", got)
				}
			}, "a", "b", "c", "d")
		})
	}
}

func spreadOf(served map[string]string) map[string]bool {
	backends := map[string]bool{}
	for _, b := range served {
		backends[b] = true
	}
	return backends
}

// TestRingHashOfSeveralValues: values of one key are joined by commas (gRFC A76); protocol headers
// are not seen.
func TestRingHashOfSeveralValues(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		c := fl.client(naru.WithBalancer(balancer.RingHash{Header: "x-user"}))
		for i := range 10 {
			a, b := fmt.Sprint("a", i), fmt.Sprint("b", i)
			one := want(t, c, naru.WithMetadata("x-user", a+","+b))
			if two := want(t, c, naru.WithMetadata("x-user", a, "x-user", b)); two != one {
				t.Errorf("values %s and %s went to %s, joined to %s", a, b, two, one)
			}
		}
		agent := fl.client(naru.WithBalancer(balancer.RingHash{Header: "user-agent"}))
		for range 20 { // connections are made one by one, when a call needs them
			want(t, agent)
			pass(time.Second)
		}
		if got := spread(t, agent, 200); len(got) != 4 {
			t.Errorf("calls hashed by user-agent, which is no metadata, went to %v, want random backends", got)
		}
	}, "a", "b", "c", "d")
}

// TestRingHashWithoutHash: without a header to hash, and no resolver or policy that brings a hash,
// calls fail and say why.
func TestRingHashWithoutHash(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		_, err := get(fl.client(naru.WithBalancer(balancer.RingHash{})))
		wantText(t, err, "requestHashHeader")
	}, "a")
}

// TestRingHashSizes: a ring of as many places as backends serves as well as one of the largest
// size.
func TestRingHashSizes(t *testing.T) {
	for name, opt := range map[string]naru.ClientOption{
		"Go":   naru.WithBalancer(balancer.RingHash{Header: "k", MinSize: 4, MaxSize: 4}),
		"JSON": json("ring_hash_experimental", `{"requestHashHeader":"k","minRingSize":4,"maxRingSize":8388608}`),
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				c := fl.client(opt)
				first := want(t, c, naru.WithMetadata("k", "v"))
				if got := spread(t, c, 20, naru.WithMetadata("k", "v")); got[first] != 20 {
					t.Errorf("20 calls of one key went to %v, want all to %s", got, first)
				}
			}, "a", "b", "c", "d")
		})
	}
}

// TestRingHashWeightAndKey: an endpoint's weight is its share of keys, and its hash key stands for
// its address.
func TestRingHashWeightAndKey(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		eps := resolver.EndpointsOf("a", "b")
		eps[0].Weight = 9
		c := fl.clientOf("w:///x", naru.WithResolvers(resolver.Static("w", eps...)), naru.WithBalancer(balancer.RingHash{Header: "k"}))
		count := map[string]int{}
		for i := range 500 {
			count[want(t, c, naru.WithMetadata("k", fmt.Sprint(i)))]++
		}
		if count["a"] < 400 || count["b"] == 0 {
			t.Errorf("500 keys over weights 9 and 1: %v, want about 450 and 50", count)
		}
		// The backend of a key follows the hash key to another address.
		keyed := func(names ...string) string {
			eps := resolver.EndpointsOf(names...)
			eps[0].HashKey, eps[1].HashKey = "one", "two"
			c := fl.clientOf("k:///x", naru.WithResolvers(resolver.Static("k", eps...)), naru.WithBalancer(balancer.RingHash{Header: "k"}))
			return want(t, c, naru.WithMetadata("k", "v"))
		}
		if x, y := keyed("a", "b"), keyed("b", "a"); x == y {
			t.Errorf("after hash keys changed places the key still goes to %s", x)
		}
	}, "a", "b")
}

// TestPickersSeeTheCall: a policy of one's own sees method, attempt and metadata of each call, and
// no protocol headers.
func TestPickersSeeTheCall(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		var seen []string
		p := ownPolicy{balancer.RoundRobin{}, func(call *balancer.CallInfo) {
			line := fmt.Sprint(call.Method, " ", call.Attempt, " ", call.Streaming)
			if call.Metadata != nil {
				line += fmt.Sprintf(" %q %q %q", call.Metadata.Get("X-Key"), call.Metadata.Get("blob-bin"), call.Metadata.Get("te"))
			}
			seen = append(seen, line)
		}}
		c := fl.client(naru.WithBalancer(p))
		ready(t, c)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-key", "two")
		var res text
		if err := c.Invoke(ctx, plain, &text{}, &res, naru.WithMetadata("x-key", "one", "blob-bin", "\x00\xff")); err != nil {
			t.Fatal(err)
		}
		wantLine := `/test.Features/Add 1 false ["one" "two"] ["\x00\xff"] []`
		if len(seen) == 0 || seen[len(seen)-1] != wantLine {
			t.Errorf("the picker saw %q, want %q", seen, wantLine)
		}
	}, "a")
}
