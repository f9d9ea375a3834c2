package resolver

import (
	"slices"
	"strings"

	"github.com/naru-rpc/naru/serviceconfig"
)

// Address is a place one connection can be made to. Comparable.
type Address struct {
	// Network is what [net.Dial] takes; "" means "tcp".
	Network string
	// Addr is "host:port" for tcp and a path (or "@name") for unix.
	Addr string
	// ServerName replaces the channel's authority as the name a TLS certificate is checked
	// against. "" leaves it.
	ServerName string
}

// String returns the address for people: "10.0.0.1:50051", "unix:/run/shop.sock".
func (a Address) String() string {
	if a.Network == "" || a.Network == "tcp" {
		return a.Addr
	}
	return a.Network + ":" + a.Addr
}

// Endpoint is one backend: a process that may be reached by several addresses (gRFC A61).
type Endpoint struct {
	// Addresses in order of preference. At least one.
	Addresses []Address
	// Weight is the endpoint's share for policies that weigh (ring_hash); 0 means 1.
	Weight uint32
	// HashKey is the endpoint's place on the ring of ring_hash (gRFC A76); "" means its first
	// address.
	HashKey string
	// Attributes are for policies and dialers that know their keys.
	Attributes Attributes
}

// Key identifies the endpoint in an update: the set of its addresses, in no order (gRFC A61,
// "Address List Updates in Petiole Policies").
func (e Endpoint) Key() string {
	if len(e.Addresses) == 1 {
		return addressKey(e.Addresses[0])
	}
	keys := make([]string, len(e.Addresses))
	for i, a := range e.Addresses {
		keys[i] = addressKey(a)
	}
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), "\x00\x00")
}

func addressKey(a Address) string {
	return a.Network + "\x00" + a.Addr + "\x00" + a.ServerName
}

// State is what a resolver knows of its target. The receiver keeps it; do not change it after
// handing it over.
type State struct {
	// Endpoints of the target. An empty list is a valid answer ("no backends now") and makes
	// calls fail; report an error instead if the list is not known.
	Endpoints []Endpoint
	// ServiceConfig came with the names; nil: none.
	ServiceConfig *serviceconfig.Config
	// ServiceConfigErr says that one came and is not valid (gRFC A21): the channel keeps the
	// last good one, and fails calls if there is none.
	ServiceConfigErr error
	// Attributes concern the target as a whole.
	Attributes Attributes
}

// EndpointsOf returns one endpoint per address: a shorthand for tests and simple resolvers. An
// address with a slash or a leading "@" is a unix socket, everything else "host:port".
func EndpointsOf(addrs ...string) []Endpoint {
	eps := make([]Endpoint, len(addrs))
	for i, s := range addrs {
		a := Address{Addr: s}
		if strings.HasPrefix(s, "@") || strings.Contains(s, "/") {
			a.Network = "unix"
		}
		eps[i] = Endpoint{Addresses: []Address{a}}
	}
	return eps
}
