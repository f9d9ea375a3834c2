package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/naru-rpc/naru/resolver"
)

// outcome is what a stack makes of a target: "addresses; authority", or "error".
type outcome string

const failed outcome = "error"

func outcomeOf(addrs []string, authority string) outcome {
	return outcome(strings.Join(addrs, ",") + "; " + authority)
}

// naru asks the resolvers of naru's clients.
func naru(t *testing.T, target string) outcome {
	t.Helper()
	reg := resolver.NewRegistry(
		resolver.DNS(resolver.DNSOptions{}), resolver.Passthrough(), resolver.Unix(), resolver.UnixAbstract(),
		resolver.IPv4(), resolver.IPv6())
	tgt, b, err := reg.Parse(target, "dns")
	if err != nil {
		return failed
	}
	r, err := b.Build(tgt, resolver.Options{})
	if err != nil {
		return failed
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	w := &watcher{done: cancel}
	r.Run(ctx, w)
	if w.err != nil || w.addrs == nil {
		return failed
	}
	authority := tgt.Endpoint
	if a, ok := b.(resolver.AuthorityBuilder); ok {
		authority = a.Authority(tgt)
	}
	return outcomeOf(w.addrs, authority)
}

// watcher takes the first thing that a resolver finds.
type watcher struct {
	done  func()
	addrs []string
	err   error
}

func (w *watcher) Update(st resolver.State) error {
	if w.addrs == nil {
		for _, ep := range st.Endpoints {
			for _, a := range ep.Addresses {
				w.addrs = append(w.addrs, network(a.Network)+a.Addr)
			}
		}
	}
	w.done()
	return nil
}

func (w *watcher) Fail(err error) {
	if w.addrs == nil {
		w.err = err
	}
	w.done()
}

func (*watcher) Refresh() <-chan struct{} { return nil }
func (*watcher) Wanted() bool             { return true }

func network(name string) string {
	if name == "" || name == "tcp" {
		return ""
	}
	return name + " "
}

// grpcgo makes a client of grpc-go whose resolvers are its own, looked at.
func grpcgo(t *testing.T, target string) outcome {
	t.Helper()
	found := make(chan outcome, 1) // capacity 1: the first state or error
	var builders []grpcresolver.Builder
	for _, scheme := range []string{"dns", "passthrough", "unix", "unix-abstract"} {
		b := spy{grpcresolver.Get(scheme), found}
		if o, ok := b.Builder.(grpcresolver.AuthorityOverrider); ok {
			builders = append(builders, overridingSpy{b, o})
		} else {
			builders = append(builders, b)
		}
	}
	cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithResolvers(builders...), grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
	if err != nil {
		return failed
	}
	defer cc.Close()
	cc.Connect()
	select {
	case o := <-found:
		return o
	case <-time.After(5 * time.Second):
		t.Fatalf("grpc-go did not resolve %q", target)
		return failed
	}
}

type spy struct {
	grpcresolver.Builder
	found chan outcome
}

type overridingSpy struct {
	spy
	grpcresolver.AuthorityOverrider
}

func (s spy) Build(t grpcresolver.Target, cc grpcresolver.ClientConn, o grpcresolver.BuildOptions) (grpcresolver.Resolver, error) {
	r, err := s.Builder.Build(t, spyConn{cc, s.found, o.Authority}, o)
	if err != nil {
		tell(s.found, failed)
	}
	return r, err
}

func tell(found chan outcome, o outcome) {
	select {
	case found <- o:
	default:
	}
}

// spyConn keeps what its resolver finds from the client, which would dial it.
type spyConn struct {
	grpcresolver.ClientConn
	found     chan outcome
	authority string
}

func (c spyConn) UpdateState(st grpcresolver.State) error {
	var addrs []string
	if len(st.Addresses) == 0 { // every call fails
		tell(c.found, failed)
		return nil
	}
	for _, a := range st.Addresses {
		addrs = append(addrs, unixOf(a)+dialed(a.Addr))
	}
	tell(c.found, outcomeOf(addrs, c.authority))
	return nil
}

// unixOf finds the network type, whose attribute has a key of an internal package.
func unixOf(a grpcresolver.Address) string {
	if a.Attributes != nil && strings.Contains(a.Attributes.String(), "unix") {
		return "unix "
	}
	return ""
}

// dialed is what grpc-go's dialer makes of an address (dialContext, parseDialTarget).
func dialed(addr string) string {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix " + strings.TrimPrefix(path, "//")
	}
	return addr
}

func (c spyConn) ReportError(error) { tell(c.found, failed) }

func (spyConn) ParseServiceConfig(string) *serviceconfig.ParseResult {
	return &serviceconfig.ParseResult{Err: errors.New("not wanted")}
}

// fakeDNS has net.DefaultResolver, which both stacks use, answer 192.0.2.<length of the name> for
// every name, so that the name that was asked for is in the answer.
func fakeDNS(t *testing.T) {
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answer(server)
		return packets{client}, nil
	}}
	t.Cleanup(func() { net.DefaultResolver = old })
}

// packets makes net.Resolver use its framing for UDP.
type packets struct{ net.Conn }

func (packets) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, errors.ErrUnsupported }
func (packets) WriteTo([]byte, net.Addr) (int, error)  { return 0, errors.ErrUnsupported }

func answer(nc net.Conn) {
	defer nc.Close()
	buf := make([]byte, 4096)
	for {
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:n]); err != nil || len(m.Questions) != 1 {
			return
		}
		q := m.Questions[0]
		m.Header.Response, m.Header.RecursionAvailable = true, true
		m.Additionals = nil
		if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, byte(q.Name.Length)}},
			}}
		}
		out, err := m.Pack()
		if err != nil {
			return
		}
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func (o outcome) String() string { return fmt.Sprintf("%q", string(o)) }
