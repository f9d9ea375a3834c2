package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Static returns a builder of a scheme whose targets all resolve to the same endpoints, whatever
// follows the scheme: for tests, and for lists that come from configuration.
func Static(scheme string, endpoints ...Endpoint) Builder {
	return fixedBuilder{scheme: scheme, endpoints: func(Target) ([]Endpoint, error) { return endpoints, nil }}
}

// Passthrough returns the builder of "passthrough:///addr": the address goes to the dialer as it is
// written, names included. "passthrough:///unix:path" is a unix socket, as in grpc-go.
func Passthrough() Builder {
	return fixedBuilder{scheme: "passthrough", endpoints: func(t Target) ([]Endpoint, error) {
		if t.Endpoint == "" {
			return nil, fmt.Errorf("target %q: no address after the scheme", t.brief())
		}
		if strings.HasPrefix(t.Endpoint, "unix:") {
			u, err := ParseTarget(t.Endpoint)
			if err != nil {
				return nil, err
			}
			return unixEndpoint(t, u.Endpoint)
		}
		return EndpointsOf(t.Endpoint), nil
	}}
}

// Unix returns the builder of "unix:path" and "unix:///absolute/path". Calls carry the authority
// "localhost".
func Unix() Builder {
	return fixedBuilder{scheme: "unix", authority: localhost, endpoints: func(t Target) ([]Endpoint, error) {
		if t.Authority != "" {
			return nil, fmt.Errorf("target %q: a unix target has no authority; write unix:///absolute/path or unix:path", t.brief())
		}
		return unixEndpoint(t, t.Endpoint)
	}}
}

// UnixAbstract returns the builder of "unix-abstract:name": a socket in Linux's abstract namespace.
// A slash before the name is part of it, also in "unix-abstract:///name".
func UnixAbstract() Builder {
	return fixedBuilder{scheme: "unix-abstract", authority: localhost, endpoints: func(t Target) ([]Endpoint, error) {
		if t.Authority != "" {
			return nil, fmt.Errorf("target %q: a unix-abstract target has no authority; write unix-abstract:name", t.brief())
		}
		if t.Endpoint == "" {
			return nil, fmt.Errorf("target %q: no socket name after the scheme", t.brief())
		}
		return unixEndpoint(t, "@"+t.Endpoint)
	}}
}

func unixEndpoint(t Target, path string) ([]Endpoint, error) {
	if path == "" {
		return nil, fmt.Errorf("target %q: no path after the scheme", t.brief())
	}
	return []Endpoint{{Addresses: []Address{{Network: "unix", Addr: path}}}}, nil
}

// IPv4 returns the builder of "ipv4:1.2.3.4:443,5.6.7.8": literal addresses, port 443 unless given.
func IPv4() Builder { return ipBuilder("ipv4", netip.Addr.Is4) }

// IPv6 returns the builder of "ipv6:[::1]:443,[2001:db8::1]": literal addresses, port 443 unless
// given.
func IPv6() Builder {
	return ipBuilder("ipv6", func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() })
}

func ipBuilder(scheme string, family func(netip.Addr) bool) Builder {
	return fixedBuilder{scheme: scheme, endpoints: func(t Target) ([]Endpoint, error) {
		var eps []Endpoint
		for s := range strings.SplitSeq(t.Endpoint, ",") {
			host, port, err := splitHostPort(s, defaultPort)
			if err != nil {
				return nil, fmt.Errorf("target %q: %w", t.brief(), err)
			}
			ip, err := netip.ParseAddr(host)
			if err != nil || !family(ip) {
				return nil, fmt.Errorf("target %q: %q is not an %s address", t.brief(), host, scheme)
			}
			eps = append(eps, Endpoint{Addresses: []Address{{Addr: net.JoinHostPort(host, port)}}})
		}
		return eps, nil
	}}
}

func localhost(Target) string { return "localhost" }

// fixedBuilder serves schemes whose targets say everything themselves.
type fixedBuilder struct {
	scheme    string
	authority func(Target) string // nil: the endpoint
	endpoints func(Target) ([]Endpoint, error)
}

func (b fixedBuilder) Scheme() string { return b.scheme }

func (b fixedBuilder) Authority(t Target) string {
	if b.authority != nil {
		return b.authority(t)
	}
	return authorityOf(t.Endpoint)
}

func (b fixedBuilder) Build(t Target, _ Options) (Resolver, error) {
	eps, err := b.endpoints(t)
	if err != nil {
		return nil, err
	}
	return fixed(eps), nil
}

// fixed is a resolver with nothing to find out.
type fixed []Endpoint

func (f fixed) Run(_ context.Context, w Watcher) {
	// The channel explains what it cannot use to its callers; asking again would change nothing.
	_ = w.Update(State{Endpoints: f})
}
