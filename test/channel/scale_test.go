package channel

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/resolver"
	"google.golang.org/grpc"
)

// TestScaleByDNS: 2 backends become 4 by DNS, and each serves 15 % within 10 s; they become 2
// again, and no call fails.
func TestScaleByDNS(t *testing.T) {
	t.Parallel()
	hosts := []string{"127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"}
	first := start(t, hosts[0], 0, naruServer(), echo)
	bs := []*backend{first}
	for i, h := range hosts[1:] {
		make := naruServer()
		if i%2 == 0 {
			make = grpcServer()
		}
		bs = append(bs, start(t, h, first.port(), make, echo))
	}
	// 5 s is the default; the short run shortens everything.
	interval := underLoad(5*time.Second, time.Second)
	dns := &fakeDNS{}
	dns.set(hosts[:2]...)
	c := dialTarget(t, fmt.Sprintf("dns:///backends.test:%d", first.port()), naru.WithBalancer(balancer.RoundRobin{}),
		naru.WithResolvers(resolver.DNS(resolver.DNSOptions{Resolver: dns, Poll: resolver.PollOptions{Interval: interval}})))
	var l load
	l.run(t, c, plain, 200, time.Second)
	if bs[2].calls.Load()+bs[3].calls.Load() > 0 {
		t.Errorf("backends that are not in DNS were called")
	}
	dns.set(hosts...)
	var up load
	up.run(t, c, plain, 200, interval+time.Second)
	for _, b := range bs {
		b.calls.Store(0)
	}
	var after load
	after.run(t, c, plain, 200, 2*time.Second)
	for i, b := range bs {
		t.Logf("backend %d serves %.1f %%", i, 100*float64(b.calls.Load())/float64(after.n))
		if share := float64(b.calls.Load()) / float64(after.n); share < 0.15 {
			t.Errorf("backend %d serves %.0f %%, want at least 15 %%", i, 100*share)
		}
	}
	dns.set(hosts[:2]...)
	var down load
	var wg sync.WaitGroup
	wg.Go(func() { // the others go as an orchestrator lets them: drained some time after they left DNS
		<-time.After(interval + time.Second/2)
		bs[2].drain()
		bs[3].drain()
	})
	down.run(t, c, plain, 200, interval+2*time.Second)
	wg.Wait()
	for name, l := range map[string]*load{"before": &l, "up": &up, "after": &after, "down": &down} {
		l.wantNoErrors(t, name)
	}
}

// TestStreamLimit: a server that allows 10 streams on a connection, and 1000 callers: all proceed,
// and the connections stay within the bound.
func TestStreamLimit(t *testing.T) {
	t.Parallel()
	slow := func(_ context.Context, req string) (string, error) {
		<-time.After(5 * time.Millisecond)
		return req, nil
	}
	bothStacks(t, []naru.ServerOption{naru.WithLimits(limits.Limits{MaxConcurrentStreams: 10})}, []grpc.ServerOption{grpc.MaxConcurrentStreams(10)},
		func(t *testing.T, make func(*backend) runner) {
			b := start(t, "127.0.0.1", 0, make, slow)
			c := dial(t, []*backend{b}, naru.WithConnectionScaling(3))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			began := time.Now()
			var wg sync.WaitGroup
			for i := range 1000 {
				wg.Go(func() {
					for range 3 {
						if _, err := invoke(ctx, c, plain, "x"); err != nil {
							t.Errorf("caller %d: %v", i, err)
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%d calls in %v over %d connections", b.calls.Load(), time.Since(began), b.conns.Load())
			if n := b.conns.Load(); n != 3 {
				t.Errorf("%d connections were made, want 3, the bound", n)
			}
		})
}
