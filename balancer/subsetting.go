package balancer

import (
	"cmp"
	"errors"
	"slices"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

// RandomSubsetting is the policy "random_subsetting_experimental" (gRFC A68): each client works
// with a part of a long list only. The part is drawn at random and, by rendezvous hashing, changes
// by one endpoint at most when one comes or goes.
type RandomSubsetting struct {
	// Size is how many endpoints a client works with. Above 0.
	Size int
	// Child balances between them. nil: round_robin.
	Child Policy
}

// Name returns "random_subsetting_experimental".
func (RandomSubsetting) Name() string { return "random_subsetting_experimental" }

// New returns a balancer for host.
func (RandomSubsetting) New(host Host) Balancer {
	b := &randomSubsetting{host: host, seed: host.Uint64()}
	b.child = child{base: host, host: func(h *childHost) Host { return h }}
	return b
}

type randomSubsetting struct {
	// immutable
	host Host
	seed uint64 // gRFC A68: "When the lb policy is initialized it also creates a random integer seed."
	// owned by the channel's event loop
	child child
}

var errNoSubset = errors.New("random_subsetting: the size of the subset is not above 0")

func (b *randomSubsetting) Update(u Update) error {
	p, _ := u.Policy.(RandomSubsetting)
	if p.Size <= 0 {
		b.host.Publish(State{State: connectivity.TransientFailure, Picker: ErrPicker(errNoSubset)})
		return errNoSubset
	}
	if p.Child == nil {
		p.Child = RoundRobin{}
	}
	u.Endpoints = subset(u.Endpoints, p.Size, b.seed)
	return b.child.update(u, p.Child)
}

func (b *randomSubsetting) Fail(err error) { b.child.fail(err) }
func (b *randomSubsetting) ExitIdle()      { b.child.exitIdle() }
func (b *randomSubsetting) Close()         { b.child.close() }

// subset is filter_endpoints of gRFC A68: the endpoints with the smallest hashes. They keep the
// order of the list.
func subset(eps []resolver.Endpoint, size int, seed uint64) []resolver.Endpoint {
	if size >= len(eps) {
		return eps
	}
	type hashed struct {
		hash  uint64
		index int
	}
	all := make([]hashed, 0, len(eps))
	for i, e := range eps {
		if len(e.Addresses) > 0 {
			all = append(all, hashed{xxHash64(e.Addresses[0].Addr, seed), i})
		}
	}
	slices.SortStableFunc(all, func(a, b hashed) int { return cmp.Compare(a.hash, b.hash) })
	all = all[:min(size, len(all))]
	slices.SortFunc(all, func(a, b hashed) int { return a.index - b.index })
	out := make([]resolver.Endpoint, len(all))
	for i, h := range all {
		out[i] = eps[h.index]
	}
	return out
}
