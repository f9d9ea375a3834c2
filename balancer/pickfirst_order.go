package balancer

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/resolver"
)

// order returns the addresses in the order of attempts. gRFC A61, "Address List Handling in
// pick_first": shuffle the endpoints, flatten, interleave the families; duplicates are dropped.
func (b *pickFirst) order(eps []resolver.Endpoint) []resolver.Address {
	if b.policy.Shuffle {
		eps = slices.Clone(eps)
		for i := len(eps) - 1; i > 0; i-- {
			j := int(b.host.Uint64() % uint64(i+1))
			eps[i], eps[j] = eps[j], eps[i]
		}
	}
	var flat []resolver.Address
	seen := map[resolver.Address]bool{}
	for _, e := range eps {
		for _, a := range e.Addresses {
			if !seen[a] {
				seen[a] = true
				flat = append(flat, a)
			}
		}
	}
	return interleave(flat)
}

type family uint8

const (
	familyOther family = iota // names and unix sockets
	familyV4
	familyV6
)

func familyOf(a resolver.Address) family {
	if a.Network != "" && !strings.HasPrefix(a.Network, "tcp") {
		return familyOther
	}
	ap, err := netip.ParseAddrPort(a.Addr)
	switch {
	case err != nil:
		return familyOther
	case ap.Addr().Unmap().Is4():
		return familyV4
	}
	return familyV6
}

// interleave alternates between the address families, beginning with the one that comes first, and
// keeps the order within each. RFC 8305 §4, with a First Address Family Count of 1.
func interleave(addrs []resolver.Address) []resolver.Address {
	byFamily := map[family][]resolver.Address{}
	var families []family
	for _, a := range addrs {
		f := familyOf(a)
		if byFamily[f] == nil {
			families = append(families, f)
		}
		byFamily[f] = append(byFamily[f], a)
	}
	if len(families) < 2 {
		return addrs
	}
	out := make([]resolver.Address, 0, len(addrs))
	for i := 0; len(out) < len(addrs); i++ {
		for _, f := range families {
			if i < len(byFamily[f]) {
				out = append(out, byFamily[f][i])
			}
		}
	}
	return out
}
