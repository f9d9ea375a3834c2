package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// DNSOptions configure the resolver of "dns:" targets. The zero value means the defaults.
type DNSOptions struct {
	// Poll says when names are looked up again.
	Poll PollOptions
	// Resolver does the look-ups. nil: [net.DefaultResolver], or one that asks the server a target
	// names in its authority ("dns://8.8.8.8/host").
	Resolver HostResolver
	// ServiceConfig looks for service configs in TXT records of _grpc_config.<host> (gRFC A2). Off
	// by default: who answers for a name could tell clients how to retry.
	ServiceConfig bool
}

// HostResolver is the part of [net.Resolver] that DNS needs. Safe for concurrent use.
type HostResolver interface {
	// LookupNetIP returns the A (network "ip4"), AAAA ("ip6") or both ("ip") records of a name.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	// LookupSRV returns the SRV records of _service._proto.name, or of name if both are "".
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
	// LookupTXT returns the TXT records of a name.
	LookupTXT(ctx context.Context, name string) ([]string, error)
	// LookupPort returns the number of a port given by name or number.
	LookupPort(ctx context.Context, network, service string) (int, error)
}

// DNS returns the builder of "dns:///host:port" and "dns://server/host:port": A and AAAA records,
// one endpoint per address, port 443 unless given. IP literals are not looked up.
//
// A host that begins with two labels of SRV, as "dns:///_grpc._tcp.shop.example.com", stands for
// the hosts, ports and weights of the SRV records of the best priority (RFC 2782); calls carry the
// authority "shop.example.com", because that is the name the user asked for and what certificates
// are to prove (RFC 6125 §6.4).
func DNS(opts DNSOptions) Builder { return dnsBuilder{opts} }

type dnsBuilder struct{ opts DNSOptions }

func (dnsBuilder) Scheme() string { return "dns" }

// Authority: the name as it is written. naming.md: ":port" is localhost.
func (dnsBuilder) Authority(t Target) string {
	if _, _, domain, ok := splitSRV(t.Endpoint); ok {
		return domain
	}
	return authorityOf(t.Endpoint)
}

func (b dnsBuilder) Build(t Target, o Options) (Resolver, error) {
	host, port, err := splitHostPort(t.Endpoint, "")
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", t.brief(), err)
	}
	_, _, _, srv := splitSRV(host)
	if srv && port != "" {
		return nil, fmt.Errorf("target %q: SRV records tell the port; leave %q out", t.brief(), ":"+port)
	}
	if port == "" {
		port = defaultPort
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return fixed(EndpointsOf(net.JoinHostPort(ip.String(), port))), nil
	}
	if len(host) > maxHostName {
		return nil, fmt.Errorf("target %q: a host name of %d bytes; DNS names have at most %d (RFC 1035 §2.3.4)", t.brief(), len(host), maxHostName)
	}
	d := &dnsLookup{host: host, port: port, srv: srv, net: b.opts.Resolver, log: o.Logger}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.net == nil {
		if d.net, err = dnsServer(t.Authority); err != nil {
			return nil, fmt.Errorf("target %q: %w", t.brief(), err)
		}
	}
	if b.opts.ServiceConfig && o.ParseServiceConfig != nil {
		d.txt = newTXTConfig(host, o.ParseServiceConfig)
	}
	return Poll(d.lookup, b.opts.Poll), nil
}

// maxHostName: RFC 1035 §2.3.4, "255 octets or less" on the wire, which are 253 in text; one more
// for the dot at the end.
const maxHostName = 254

// splitSRV splits "_service._proto.domain".
func splitSRV(host string) (service, proto, domain string, ok bool) {
	service, rest, found := strings.Cut(host, ".")
	proto, domain, found2 := strings.Cut(rest, ".")
	ok = found && found2 && domain != "" && strings.HasPrefix(service, "_") && strings.HasPrefix(proto, "_")
	return service, proto, domain, ok
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
	srv        bool
	net        HostResolver
	txt        *txtConfig // nil: not wanted
	log        *slog.Logger
}

func (d *dnsLookup) lookup(ctx context.Context) (State, error) {
	var st State
	var err error
	if d.srv {
		st.Endpoints, err = d.lookupSRV(ctx)
	} else {
		st.Endpoints, err = d.lookupHost(ctx, d.host, d.port)
	}
	if err != nil {
		return State{}, err
	}
	if d.txt != nil {
		d.txt.lookup(ctx, d, &st)
	}
	return st, nil
}

// lookupHost returns an endpoint per address. gRFC A61: DNS does not tell which addresses belong to
// one endpoint.
func (d *dnsLookup) lookupHost(ctx context.Context, host, port string) ([]Endpoint, error) {
	num, err := d.net.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	ips, err := d.net.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	eps := make([]Endpoint, len(ips))
	for i, ip := range ips {
		eps[i].Addresses = []Address{{Addr: netip.AddrPortFrom(ip.Unmap(), uint16(num)).String()}}
	}
	return eps, nil
}

// maxEndpoints bounds what the SRV records of one name may resolve to together: each record names a
// host of its own, and each host has as many addresses as fit into an answer.
const maxEndpoints = 10_000

// lookupSRV returns the endpoints of the best priority that has any. RFC 2782: "A client MUST
// attempt to contact the target host with the lowest-numbered priority it can reach".
func (d *dnsLookup) lookupSRV(ctx context.Context) ([]Endpoint, error) {
	_, records, err := d.net.LookupSRV(ctx, "", "", d.host)
	if err != nil {
		return nil, err
	}
	var eps []Endpoint
	var errs []error
	for i, r := range records { // LookupSRV sorts by priority
		if len(eps) > 0 && r.Priority != records[i-1].Priority {
			break
		}
		hosts, err := d.lookupHost(ctx, strings.TrimSuffix(r.Target, "."), fmt.Sprint(r.Port))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(eps)+len(hosts) > maxEndpoints {
			return nil, fmt.Errorf("the SRV records of %s resolve to more than %d addresses", d.host, maxEndpoints)
		}
		for _, e := range hosts {
			e.Weight = uint32(r.Weight)
			eps = append(eps, e)
		}
	}
	if len(eps) == 0 && len(errs) > 0 {
		return nil, fmt.Errorf("no target of %d SRV records of %s resolves: %w", len(records), d.host, errors.Join(errs...))
	}
	return eps, nil
}

// txtTimeout bounds the look-up of TXT records, which many networks drop: addresses are not kept
// waiting for long.
const txtTimeout = 3 * time.Second
