package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/serviceconfig"
)

// fakeDNS is a name server.
type fakeDNS struct {
	mu   sync.Mutex // held by those who look up and by those who change
	ips  map[string][]string
	srv  map[string][]*net.SRV
	txt  map[string][]string
	fail error // for TXT
}

func notFound(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (d *fakeDNS) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var addrs []netip.Addr
	for _, s := range d.ips[host] {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	if addrs == nil {
		return nil, notFound(host)
	}
	return addrs, nil
}

func (d *fakeDNS) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if service != "" || proto != "" {
		return "", nil, errors.New("the name is to be looked up as it is")
	}
	if r := d.srv[name]; r != nil {
		return name, r, nil
	}
	return "", nil, notFound(name)
}

func (d *fakeDNS) LookupTXT(_ context.Context, name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return nil, d.fail
	}
	if r := d.txt[name]; r != nil {
		return r, nil
	}
	return nil, notFound(name)
}

func (d *fakeDNS) LookupPort(_ context.Context, _, service string) (int, error) {
	if service == "https" {
		return 443, nil
	}
	return strconv.Atoi(service)
}

// change changes the server while it is asked.
func (d *fakeDNS) change(f func(*fakeDNS)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func buildDNS(t *testing.T, d *fakeDNS, target string, opts DNSOptions, o Options) Resolver {
	t.Helper()
	opts.Resolver = d
	parsed, b, err := NewRegistry(DNS(opts)).Parse(target, "dns")
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Build(parsed, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDNSAddresses(t *testing.T) {
	d := &fakeDNS{ips: map[string][]string{"shop": {"10.0.0.1", "2001:db8::1", "::ffff:10.0.0.2"}}}
	for in, wantLog := range map[string]string{
		"dns:///shop:80":    "0s: [10.0.0.1:80 [2001:db8::1]:80 10.0.0.2:80]",
		"shop":              "0s: [10.0.0.1:443 [2001:db8::1]:443 10.0.0.2:443]",
		"shop:https":        "0s: [10.0.0.1:443 [2001:db8::1]:443 10.0.0.2:443]",
		"dns:///[::1]:1234": "0s: [[::1]:1234]",
		"nowhere":           "0s: error lookup nowhere: no such host",
	} {
		synctest.Test(t, func(t *testing.T) {
			want(t, in, follow(buildDNS(t, d, in, DNSOptions{}, Options{}), newRecorder(), 500*time.Millisecond), wantLog)
		})
	}
}

func TestDNSSeesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDNS{ips: map[string][]string{"shop": {"10.0.0.1"}}}
		time.AfterFunc(7*time.Second, func() {
			d.change(func(d *fakeDNS) { d.ips["shop"] = []string{"10.0.0.1", "10.0.0.2"} })
		})
		want(t, "backends that were added are seen within 5 s",
			follow(buildDNS(t, d, "shop:1", DNSOptions{}, Options{}), newRecorder(), time.Minute),
			"0s: [10.0.0.1:1]", "10s: [10.0.0.1:1 10.0.0.2:1]")
	})
}

func TestDNSSRV(t *testing.T) {
	d := &fakeDNS{
		ips: map[string][]string{"a.shop": {"10.0.0.1"}, "b.shop": {"10.0.0.2", "10.0.0.3"}, "c.shop": {"10.0.0.4"}},
		srv: map[string][]*net.SRV{"_grpc._tcp.shop": {
			{Target: "gone.shop.", Port: 1, Priority: 1, Weight: 1},
			{Target: "a.shop.", Port: 1001, Priority: 2, Weight: 10},
			{Target: "gone.shop.", Port: 1, Priority: 2, Weight: 1},
			{Target: "b.shop.", Port: 1002, Priority: 2, Weight: 20},
			{Target: "c.shop.", Port: 1003, Priority: 3, Weight: 30},
		}, "_grpc._tcp.broken": {{Target: "gone.shop.", Port: 1}}},
	}
	synctest.Test(t, func(t *testing.T) {
		want(t, "the best priority that resolves", follow(buildDNS(t, d, "dns:///_grpc._tcp.shop", DNSOptions{}, Options{}), newRecorder(), time.Second),
			"0s: [10.0.0.1:1001 10.0.0.2:1002 10.0.0.3:1002]")
		want(t, "none resolves", follow(buildDNS(t, d, "_grpc._tcp.broken", DNSOptions{}, Options{}), newRecorder(), 500*time.Millisecond),
			"0s: error no target of 1 SRV records of _grpc._tcp.broken resolves: lookup gone.shop: no such host")
	})
	l := &dnsLookup{host: "_grpc._tcp.shop", srv: true, net: d}
	st, err := l.lookup(context.Background())
	if err != nil || st.Endpoints[0].Weight != 10 || st.Endpoints[2].Weight != 20 {
		t.Errorf("weights: got %+v, %v, want 10, 20, 20", st.Endpoints, err)
	}
	target, b, err := NewRegistry(DNS(DNSOptions{})).Parse("dns:///_grpc._tcp.shop.example.com", "dns")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.(AuthorityBuilder).Authority(target); got != "shop.example.com" {
		t.Errorf("authority: got %q, want shop.example.com, the name that was asked for", got)
	}
	if _, err := b.Build(Target{Endpoint: "_grpc._tcp.shop:80"}, Options{}); err == nil {
		t.Errorf("a port beside SRV records was accepted")
	}
}

// configs is a Watcher that writes down service configs.
type configs struct {
	recorder
	got []string
}

func (c *configs) Update(s State) error {
	switch {
	case s.ServiceConfigErr != nil:
		c.got = append(c.got, fmt.Sprintf("bad, keeps %v", s.ServiceConfig != nil))
	case s.ServiceConfig == nil:
		c.got = append(c.got, "none")
	default:
		c.got = append(c.got, s.ServiceConfig.MethodConfig[0].Timeout.String())
	}
	return s.ServiceConfigErr
}

func TestDNSServiceConfig(t *testing.T) {
	const name = "_grpc_config.shop"
	choice := func(config string) []string {
		return []string{"something else", `grpc_config=[{"clientLanguage":["java"],"serviceConfig":{}},{"serviceConfig":` + config + `}]`}
	}
	good := choice(`{"methodConfig":[{"name":[{}],"timeout":"1s"}]}`)
	parse := func(s string) (*serviceconfig.Config, error) { return serviceconfig.ParseLenient(s, nil) }
	run := func(t *testing.T, opts DNSOptions, o Options, steps ...func(*fakeDNS)) []string {
		d := &fakeDNS{ips: map[string][]string{"shop": {"10.0.0.1"}}, txt: map[string][]string{name: good}}
		opts.Poll.Backoff = exact
		for i, f := range steps {
			time.AfterFunc(time.Duration(i+1)*5*time.Second-time.Millisecond, func() { d.change(f) })
		}
		w := &configs{recorder: *newRecorder()}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(len(steps))*5*time.Second+500*time.Millisecond)
		defer cancel()
		buildDNS(t, d, "shop", opts, o).Run(ctx, w)
		return w.got
	}
	synctest.Test(t, func(t *testing.T) {
		on := DNSOptions{ServiceConfig: true}
		want(t, "off by default", run(t, DNSOptions{}, Options{ParseServiceConfig: parse}), "none")
		want(t, "not wanted by the client", run(t, on, Options{}), "none")
		want(t, "a change is seen", run(t, on, Options{ParseServiceConfig: parse},
			func(d *fakeDNS) { d.txt[name] = choice(`{"methodConfig":[{"name":[{}],"timeout":"2s"}]}`) },
			func(d *fakeDNS) { d.txt[name] = []string{"nothing"} }), "1s", "2s", "none")
		want(t, "a server that does not answer changes nothing", run(t, on, Options{ParseServiceConfig: parse},
			func(d *fakeDNS) { d.fail = errors.New("timeout"); d.ips["shop"] = []string{"10.0.0.2"} }), "1s", "1s")
		want(t, "the record is gone", run(t, on, Options{ParseServiceConfig: parse},
			func(d *fakeDNS) { delete(d.txt, name) }), "1s", "none")
		want(t, "a bad config is reported beside the last good one", run(t, on, Options{ParseServiceConfig: parse},
			func(d *fakeDNS) { d.txt[name] = choice(`{"methodConfig":1}`) }), "1s", "bad, keeps true")
		want(t, "a bad list of choices", run(t, on, Options{ParseServiceConfig: parse},
			func(d *fakeDNS) { d.txt[name] = []string{"grpc_config={"} }), "1s", "bad, keeps true")
	})
}

func TestDNSServerOfTheTarget(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1:5353": "127.0.0.1:5353", "127.0.0.1": "127.0.0.1:53"} {
		r, err := dnsServer(in)
		if err != nil {
			t.Fatal(err)
		}
		// Connecting UDP sends nothing.
		conn, err := r.(*net.Resolver).Dial(context.Background(), "udp", "192.0.2.1:53")
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.RemoteAddr().String(); got != want {
			t.Errorf("authority %s: asked %s, want %s", in, got, want)
		}
		conn.Close()
	}
}
