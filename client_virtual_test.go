package naru_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
)

// Minutes of load against backends that restart, age, slow down and fail, in virtual time: clients
// and servers are the real ones, the network is in memory, and nothing hangs on how busy the
// machine is.

var methodIdempotent = &naru.MethodInfo{FullMethod: methodUnary.FullMethod, Idempotency: naru.Idempotent}

// cluster is some backends on a network in memory.
type cluster struct {
	t   *testing.T
	net *narutest.Network
	rnd *rand.Rand
	bs  []*member
}

// member is a backend that can be stopped and started again. It answers after a while, or not at
// all.
type member struct {
	c     *cluster
	addr  string
	opts  []naru.ServerOption
	calls atomic.Int64
	serve atomic.Pointer[func(ctx context.Context, req string) error]
	srv   *naru.Server
	ended chan struct{} // closed when srv's Serve has returned
}

func newCluster(t *testing.T, addrs ...string) *cluster {
	c := &cluster{t: t, net: narutest.NewNetwork(), rnd: rand.New(rand.NewPCG(1, 2))}
	for _, a := range addrs {
		m := &member{c: c, addr: a}
		m.takes(2 * time.Millisecond)
		c.bs = append(c.bs, m)
	}
	return c
}

func (c *cluster) up() *cluster {
	for _, m := range c.bs {
		m.up()
	}
	return c
}

// takes makes the backend answer after d.
func (m *member) takes(d time.Duration) {
	m.does(func(context.Context, string) error { <-time.After(d); return nil })
}

func (m *member) does(f func(ctx context.Context, req string) error) { m.serve.Store(&f) }

func (m *member) up() {
	m.c.t.Helper()
	srv, err := naru.NewServer(append(m.opts, naru.WithLogger(quiet))...)
	if err != nil {
		m.c.t.Fatal(err)
	}
	e := &echo{unary: func(ctx context.Context, req *text) (*text, error) {
		m.calls.Add(1)
		if err := (*m.serve.Load())(ctx, req.Value); err != nil {
			return nil, err
		}
		return req, nil
	}}
	srv.RegisterService(e.desc())
	lis, err := m.c.net.Listen(m.addr)
	if err != nil {
		m.c.t.Fatal(err)
	}
	m.srv, m.ended = srv, make(chan struct{})
	go func(ended chan struct{}) {
		defer close(ended)
		_ = srv.Serve(lis)
	}(m.ended)
}

func (m *member) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.srv.Shutdown(ctx); err != nil {
		m.c.t.Errorf("Shutdown: %v", err)
	}
	<-m.ended
}

func (m *member) kill() {
	_ = m.srv.Close()
	<-m.ended
}

// client returns a client of all members.
func (c *cluster) client(opts ...naru.ClientOption) *naru.Client {
	var addrs []string
	for _, m := range c.bs {
		addrs = append(addrs, m.addr)
	}
	return c.dial("test:///cluster", append(opts, naru.WithResolvers(resolver.Static("test", resolver.EndpointsOf(addrs...)...)))...)
}

func (c *cluster) dial(target string, opts ...naru.ClientOption) *naru.Client {
	c.t.Helper()
	client, err := naru.NewClient(target, append([]naru.ClientOption{
		naru.WithPlaintext(), naru.WithLogger(quiet), naru.WithDialer(c.net.Dial)}, opts...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}

// end stops everything, as a bubble must before its test returns.
func (c *cluster) end(clients ...*naru.Client) {
	for _, cl := range clients {
		_ = cl.Close()
	}
	for _, m := range c.bs {
		m.kill()
	}
}

// outcome is what came of many calls.
type outcome struct {
	mu   sync.Mutex
	n    int
	errs []error
	took []time.Duration
}

// load sends calls at a steady rate for d, whatever becomes of them. Under the race detector, which
// makes calls an order of magnitude dearer, a minute is ten seconds.
func load(client *naru.Client, m *naru.MethodInfo, rate int, d time.Duration) *outcome {
	if raceEnabled && d == time.Minute {
		d = 10 * time.Second
	}
	o := &outcome{}
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		id := fmt.Sprint("call-", o.n)
		o.n++
		wg.Go(func() {
			start := time.Now()
			err := client.Invoke(context.Background(), m, str(id), new(text), naru.WithTimeout(10*time.Second))
			took := time.Since(start)
			o.mu.Lock()
			defer o.mu.Unlock()
			o.took = append(o.took, took)
			if err != nil {
				o.errs = append(o.errs, fmt.Errorf("%s: %w", id, err))
			}
		})
	}
	wg.Wait()
	return o
}

func (o *outcome) wantNoErrors(t *testing.T, why string) {
	t.Helper()
	if len(o.errs) > 0 {
		t.Errorf("%d of %d calls failed, want none: %s\nfirst: %v", len(o.errs), o.n, why, o.errs[0])
	}
}

func (o *outcome) quantile(q float64) time.Duration {
	slices.Sort(o.took)
	return o.took[int(q*float64(len(o.took)-1))]
}

// restartAll restarts the members one after another until stop is closed.
func (c *cluster) restartAll(stop <-chan struct{}, down func(*member)) {
	pause := func(d time.Duration) (over bool) {
		select {
		case <-stop:
			return true
		case <-time.After(d):
			return false
		}
	}
	for {
		for _, m := range c.bs {
			down(m)
			pause(500 * time.Millisecond)
			m.up()
			if pause(1500 * time.Millisecond) {
				return
			}
		}
	}
}

// TestRollingRestart: 3 backends restarted one after another under 500 calls a second for a minute.
// Of an idempotent method no call fails. Of another every call is executed at most once, and only
// calls in flight on a killed backend fail.
func TestRollingRestart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method *naru.MethodInfo
		down   func(*member)
		most   int // failures: one a restart and backend, with a call of 2 ms every 6 ms
	}{
		{"idempotent, drained", methodIdempotent, (*member).drain, 0},
		{"idempotent, killed", methodIdempotent, (*member).kill, 0},
		{"not idempotent, drained", methodUnary, (*member).drain, 0},
		{"not idempotent, killed", methodUnary, (*member).kill, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "a:1", "b:1", "c:1")
				var mu sync.Mutex
				executed := map[string]int{}
				for _, m := range c.bs {
					m.does(func(_ context.Context, req string) error {
						mu.Lock()
						executed[req]++
						mu.Unlock()
						<-time.After(2 * time.Millisecond)
						return nil
					})
				}
				client := c.up().client(naru.WithBalancer(balancer.RoundRobin{}))
				stop := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() { c.restartAll(stop, tt.down) })
				o := load(client, tt.method, 500, time.Minute)
				close(stop)
				wg.Wait()
				if len(o.errs) > tt.most {
					t.Errorf("%d of %d calls failed, want at most %d; first: %v", len(o.errs), o.n, tt.most, o.errs[0])
				}
				for id, n := range executed {
					if n > 1 && tt.method == methodUnary {
						t.Errorf("%s was executed %d times", id, n)
					}
				}
				c.end(client)
			})
		})
	}
}

// TestServerMaxAge: connections end after 2 s under 100 calls a second for a minute, and nobody
// notices.
func TestServerMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		c.bs[0].opts = []naru.ServerOption{naru.WithKeepalive(naru.Keepalive{MaxConnectionAge: 2 * time.Second, MaxConnectionAgeGrace: time.Minute})}
		client := c.up().client()
		load(client, methodUnary, 100, time.Minute).wantNoErrors(t, "the connection's successor takes over")
		c.end(client)
	})
}

// memoryDNS is a name server.
type memoryDNS struct {
	resolver.HostResolver // what is not asked here
	mu                    sync.Mutex
	ips                   []netip.Addr
}

func (d *memoryDNS) set(ips ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ips = nil
	for _, ip := range ips {
		d.ips = append(d.ips, netip.MustParseAddr(ip))
	}
}

func (d *memoryDNS) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ips), nil
}

func (d *memoryDNS) LookupPort(context.Context, string, string) (int, error) { return 1, nil }

// TestScaleByDNS: 2 backends become 4, and each serves 15 % within 10 s; they become 2 again, and
// no call fails.
func TestScaleByDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1").up()
		dns := &memoryDNS{}
		dns.set("10.0.0.1", "10.0.0.2")
		client := c.dial("dns:///cluster:1", naru.WithBalancer(balancer.RoundRobin{}),
			naru.WithResolvers(resolver.DNS(resolver.DNSOptions{Resolver: dns})))
		load(client, methodUnary, 200, 12*time.Second).wantNoErrors(t, "two backends")
		dns.set("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
		load(client, methodUnary, 200, 10*time.Second).wantNoErrors(t, "two more")
		for _, m := range c.bs {
			m.calls.Store(0)
		}
		o := load(client, methodUnary, 200, 10*time.Second)
		o.wantNoErrors(t, "four backends")
		for _, m := range c.bs {
			if share := float64(m.calls.Load()) / float64(o.n); share < 0.15 {
				t.Errorf("%s serves %.0f %%, want at least 15 %%", m.addr, 100*share)
			}
		}
		dns.set("10.0.0.1", "10.0.0.2")
		var wg sync.WaitGroup
		wg.Go(func() {
			<-time.After(7 * time.Second) // the time an orchestrator gives clients to see that they have gone
			c.bs[2].drain()
			c.bs[3].drain()
		})
		load(client, methodUnary, 200, 10*time.Second).wantNoErrors(t, "two are going")
		wg.Wait()
		c.end(client)
	})
}

// TestSlowBackend: with one of three backends ten times slower least_request alone keeps p99 within
// twice of what it is with healthy ones.
func TestSlowBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p99 := func(slow time.Duration) time.Duration {
			c := newCluster(t, "a:1", "b:1", "c:1")
			for _, m := range c.bs {
				m.takes(10 * time.Millisecond)
			}
			c.bs[1].takes(slow)
			client := c.up().client(naru.WithBalancer(balancer.LeastRequest{}))
			o := load(client, methodUnary, 300, time.Minute)
			o.wantNoErrors(t, "nothing fails here")
			c.end(client)
			return o.quantile(0.99)
		}
		healthy := p99(10 * time.Millisecond)
		if got := p99(100 * time.Millisecond); got > 2*healthy {
			t.Errorf("p99 with a slow backend: %v, want at most twice %v", got, healthy)
		}
	})
}

// TestOutliersGoAndComeBack: a backend that answers ten times slower or fails half of its calls is
// out within two intervals, and back when it has recovered.
func TestOutliersGoAndComeBack(t *testing.T) {
	policy := balancer.OutlierDetection{
		Interval: 5 * time.Second, BaseEjection: 10 * time.Second, MaxPercent: 50,
		FailurePercentage: &balancer.FailurePercentageEjection{Threshold: 30, MinHosts: 3},
		Latency:           &balancer.LatencyEjection{},
	}
	for name, spoil := range map[string]func(c *cluster, m *member){
		"slow": func(_ *cluster, m *member) { m.takes(20 * time.Millisecond) },
		"failing": func(c *cluster, m *member) {
			var n atomic.Int64
			m.does(func(context.Context, string) error {
				if n.Add(1)%2 == 0 {
					return status.Error(codes.Internal, "broken")
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "a:1", "b:1", "c:1").up()
				client := c.client(naru.WithBalancer(policy))
				served := func(d time.Duration) (share float64) {
					before := c.bs[1].calls.Load()
					o := load(client, methodUnary, 300, d)
					return float64(c.bs[1].calls.Load()-before) / float64(o.n)
				}
				served(10 * time.Second)
				spoil(c, c.bs[1])
				served(10 * time.Second)
				if got := served(5 * time.Second); got > 0.01 {
					t.Errorf("the bad backend serves %.1f %% after two intervals", 100*got)
				}
				c.bs[1].takes(2 * time.Millisecond)
				served(20 * time.Second)
				if got := served(5 * time.Second); got < 0.3 {
					t.Errorf("the backend that has recovered serves %.1f %%, want a third", 100*got)
				}
				c.end(client)
			})
		})
	}
}

// TestHedgingCutsTheTail: with 1 % of calls delayed 100 times p99.9 falls at least 5 times for at
// most 5 % more calls.
func TestHedgingCutsTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(opts ...naru.ClientOption) (p999 time.Duration, sent, calls int) {
			c := newCluster(t, "a:1", "b:1", "c:1")
			for i, m := range c.bs {
				rnd, mu := rand.New(rand.NewPCG(1, uint64(i))), new(sync.Mutex)
				m.does(func(ctx context.Context, _ string) error {
					mu.Lock()
					lag := rnd.IntN(100) == 0
					mu.Unlock()
					d := 2 * time.Millisecond
					if lag {
						d = 200 * time.Millisecond
					}
					select {
					case <-time.After(d):
					case <-ctx.Done():
					}
					return nil
				})
			}
			client := c.up().client(append(opts, naru.WithBalancer(balancer.RoundRobin{}))...)
			o := load(client, methodUnary, 400, time.Minute)
			o.wantNoErrors(t, "nothing fails here")
			for _, m := range c.bs {
				sent += int(m.calls.Load())
			}
			c.end(client)
			return o.quantile(0.999), sent, o.n
		}
		without, _, _ := run()
		with, sent, calls := run(naru.WithServiceConfig(&serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{
			Name:          []serviceconfig.Name{{}},
			HedgingPolicy: &serviceconfig.HedgingPolicy{MaxAttempts: 3, HedgingDelay: 15 * time.Millisecond},
		}}}))
		if with > without/5 {
			t.Errorf("p99.9 with hedging: %v, want at most a fifth of %v", with, without)
		}
		if extra := float64(sent-calls) / float64(calls); extra > 0.05 {
			t.Errorf("%d calls were sent as %d, %.1f %% more, want at most 5 %%", calls, sent, 100*extra)
		}
	})
}

// TestManyCallersFewStreams: 1000 callers of a server that allows 10 streams on a connection: all
// proceed, and the connections stay within the bound.
func TestManyCallersFewStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		c.bs[0].opts = []naru.ServerOption{naru.WithLimits(limits.Limits{MaxConcurrentStreams: 10})}
		var now, most atomic.Int64
		c.bs[0].does(func(context.Context, string) error {
			most.Store(max(most.Load(), now.Add(1)))
			<-time.After(10 * time.Millisecond)
			now.Add(-1)
			return nil
		})
		client := c.up().client(naru.WithConnectionScaling(3))
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				for range 3 {
					if err := client.Invoke(context.Background(), methodUnary, str("x"), new(text), naru.WithTimeout(time.Minute)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got := most.Load(); got != 30 {
			t.Errorf("at most %d calls ran at a time, want 30: 3 connections of 10 streams", got)
		}
		c.end(client)
	})
}
