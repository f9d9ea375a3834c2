package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// DNSOptions configure the resolver of "dns:" targets. The zero value means the defaults.
type DNSOptions struct {
	// Poll says when names are looked up again.
	Poll PollOptions
	// Resolver does the look-ups. nil: [net.DefaultResolver], or one that asks the server a target names
	// in its authority ("dns://8.8.8.8/host").
	Resolver HostResolver
}

// HostResolver is the part of [net.Resolver] that DNS needs. Safe for concurrent use.
type HostResolver interface {
	// LookupNetIP returns the A (network "ip4"), AAAA ("ip6") or both ("ip") records of a name.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	// LookupSRV returns the SRV records of _service._proto.name.
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
	// LookupTXT returns the TXT records of a name.
	LookupTXT(ctx context.Context, name string) ([]string, error)
	// LookupPort returns the number of a port given by name or number.
	LookupPort(ctx context.Context, network, service string) (int, error)
}

// DNS returns the builder of "dns:///host:port" and "dns://server/host:port": A and AAAA records, one
// endpoint per address, port 443 unless given. IP literals are not looked up.
func DNS(opts DNSOptions) Builder { return dnsBuilder{opts} }

type dnsBuilder struct{ opts DNSOptions }

func (dnsBuilder) Scheme() string { return "dns" }

// Authority: the name as it is written. naming.md: ":port" is localhost.
func (dnsBuilder) Authority(t Target) string {
	if strings.HasPrefix(t.Endpoint, ":") {
		return "localhost" + t.Endpoint
	}
	return t.Endpoint
}

func (b dnsBuilder) Build(t Target, _ Options) (Resolver, error) {
	host, port, err := splitHostPort(t.Endpoint, defaultPort)
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", t, err)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return fixed(EndpointsOf(net.JoinHostPort(ip.String(), port))), nil
	}
	d := &dnsLookup{host: host, port: port, net: b.opts.Resolver}
	if d.net == nil {
		if d.net, err = dnsServer(t.Authority); err != nil {
			return nil, fmt.Errorf("target %q: %w", t, err)
		}
	}
	return Poll(d.lookup, b.opts.Poll), nil
}

// dnsServer returns a resolver that asks the given server, or the system's for "".
func dnsServer(authority string) (HostResolver, error) {
	if authority == "" {
		return net.DefaultResolver, nil
	}
	host, port, err := splitHostPort(authority, "53")
	if err != nil {
		return nil, fmt.Errorf("DNS server: %w", err)
	}
	server := net.JoinHostPort(host, port)
	return &net.Resolver{
		PreferGo: true, // the C library cannot be told which server to ask
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		},
	}, nil
}

// dnsLookup finds out the state of one name.
type dnsLookup struct {
	host, port string
	net        HostResolver
}

func (d *dnsLookup) lookup(ctx context.Context) (State, error) {
	port, err := d.net.LookupPort(ctx, "tcp", d.port)
	if err != nil {
		return State{}, err
	}
	ips, err := d.net.LookupNetIP(ctx, "ip", d.host)
	if err != nil {
		return State{}, err
	}
	st := State{Endpoints: make([]Endpoint, len(ips))}
	for i, ip := range ips {
		addr := netip.AddrPortFrom(ip.Unmap(), uint16(port)).String()
		st.Endpoints[i] = Endpoint{Addresses: []Address{{Addr: addr}}}
	}
	return st, nil
}
