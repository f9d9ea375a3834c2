package channel

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
)

// Answers of grpc.health.v1.Health/Watch.
const (
	serving    = "\x08\x01"
	notServing = "\x08\x02"
)

func healthConfig(service string) *serviceconfig.Config {
	return &serviceconfig.Config{LoadBalancingConfig: balancer.RoundRobin{}, HealthCheckConfig: &serviceconfig.HealthCheckConfig{ServiceName: service}}
}

func wantState(t *testing.T, c *Channel, want connectivity.State, why string) {
	t.Helper()
	synctest.Wait()
	if got := c.State(); got != want {
		t.Fatalf("state: got %v, want %v: %s", got, want, why)
	}
}

// gRFC A17.
func TestHealthChecking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{ServiceConfig: healthConfig("shop")}, "a:1")
		c.Connect()
		wantState(t, c, connectivity.Connecting, "connected, but not known to be healthy")
		watch := n.stream(0, 0)
		if watch.path != "/grpc.health.v1.Health/Watch" || watch.body != "\x00\x00\x00\x00\x06\x0a\x04shop" {
			t.Errorf("watched %s with %q", watch.path, watch.body)
		}
		watch.answer(serving)
		wantState(t, c, connectivity.Ready, "healthy")
		watch.answer(notServing)
		wantState(t, c, connectivity.TransientFailure, "not healthy")
		_, _, err := c.Pick(context.Background(), &client.PickInfo{})
		var f *connectivity.Failure
		if status.Code(err) != codes.Unavailable || !errors.As(err, &f) || f.Reason != connectivity.Health || !strings.Contains(err.Error(), `service "shop" is NOT_SERVING`) {
			t.Errorf("call to a backend that is not healthy: got %v", err)
		}
		watch.answer(serving)
		wantState(t, c, connectivity.Ready, "healthy again, on the same connection")
		n.wantDials("health is no reason to connect anew", "a:1 at 0s")

		// The call ends: not healthy, and called again after a backoff.
		watch.end("14")
		wantState(t, c, connectivity.TransientFailure, "nobody tells whether it is healthy")
		after(time.Second)
		again := n.stream(0, 1)
		again.answer(serving)
		wantState(t, c, connectivity.Ready, "watched anew")
		// It does not know the method: taken for healthy, and not asked again.
		again.end("14")
		after(time.Second)
		n.stream(0, 2).end("12")
		wantState(t, c, connectivity.Ready, "UNIMPLEMENTED means that there is no health checking")
		after(10 * time.Minute)
		if got := len(n.conn(0).streams); got != 3 {
			t.Errorf("calls: got %d, want 3: not asked again after UNIMPLEMENTED", got)
		}
	})
}

func TestHealthCheckingFollowsTheServiceConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, m := newFakeNet(t), newManual()
		c := newTestWith(t, n, Config{Target: "test:///x", Resolvers: resolver.NewRegistry(m), Policy: balancer.RoundRobin{}})
		update := func(sc *serviceconfig.Config) {
			if err := m.w.Update(resolver.State{Endpoints: resolver.EndpointsOf("a:1"), ServiceConfig: sc}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		c.Connect()
		<-m.run
		update(&serviceconfig.Config{})
		wantState(t, c, connectivity.Ready, "no health checking")
		update(healthConfig("shop"))
		wantState(t, c, connectivity.Connecting, "health checking began on the connection that was there")
		shop := n.stream(0, 0)
		shop.answer(serving)
		wantState(t, c, connectivity.Ready, "healthy")
		update(healthConfig("other"))
		if !shop.reset.Load() {
			t.Errorf("the service asked for before is still watched")
		}
		n.stream(0, 1).answer(notServing)
		wantState(t, c, connectivity.TransientFailure, "the other service is not healthy")
		update(&serviceconfig.Config{})
		wantState(t, c, connectivity.Ready, "no health checking any more")
		if !n.stream(0, 1).reset.Load() {
			t.Errorf("the other service is still watched")
		}
	})
}

// pick_first alone looks at connections only: gRFC A17, "pick_first ... will not support health
// checking".
func TestPickFirstIgnoresHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		sc := healthConfig("shop")
		sc.LoadBalancingConfig = balancer.PickFirst{}
		c := newTest(t, n, Config{ServiceConfig: sc}, "a:1")
		c.Connect()
		wantState(t, c, connectivity.Ready, "connected")
		if got := len(n.conn(0).streams); got != 0 {
			t.Errorf("health is watched")
		}
	})
}

func TestHealthWatchMovesToTheNextConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.limit = 2 // one of them is the watch's
		sc := healthConfig("")
		c := newTest(t, n, Config{ServiceConfig: sc, MaxConnections: 2}, "a:1")
		c.Connect()
		n.stream(0, 0).answer(serving)
		_, done1 := mustPick(t, c, client.PickInfo{})
		second, done2 := mustPick(t, c, client.PickInfo{})
		if second != n.conn(1) {
			t.Fatalf("the second call went to %v: the watch takes a stream of the limit", second)
		}
		n.conn(0).goAway(0, "")
		n.stream(1, 0).answer(notServing)
		wantState(t, c, connectivity.TransientFailure, "watched on the connection that is left")
		done1(client.DoneInfo{})
		done2(client.DoneInfo{})
	})
}

func TestWatchesDoNotKeepFromIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{ServiceConfig: healthConfig(""), IdleTimeout: time.Minute}, "a:1")
		c.Connect()
		n.stream(0, 0).answer(serving)
		after(3 * time.Minute)
		wantState(t, c, connectivity.Idle, "there are no calls but the channel's own")
	})
}

// gRFC A51 and A58 out of band.
func TestLoadReportsOutOfBand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{Policy: balancer.WeightedRoundRobin{OutOfBand: true, ReportingPeriod: 1500 * time.Millisecond, Blackout: -1}}, "a:1", "b:1")
		c.Connect()
		wantState(t, c, connectivity.Ready, "connected")
		for i := range 2 {
			s := n.stream(i, 0)
			if s.path != "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics" || s.body != "\x00\x00\x00\x00\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01" {
				t.Errorf("asked %s with %q, want reports every 1.5 s", s.path, s.body)
			}
			qps := 100.0
			if s.conn.addr == "b:1" {
				qps = 300
			}
			s.answer(string(balancer.AppendLoadReport(nil, &balancer.LoadReport{CPU: 0.5, QPS: qps})))
		}
		after(1100 * time.Millisecond) // the weights are worked out
		picked := map[string]int{}
		for range 400 {
			conn, done := mustPick(t, c, client.PickInfo{})
			done(client.DoneInfo{})
			picked[conn.addr]++
		}
		if math.Abs(float64(picked["a:1"])-100) > 2 {
			t.Errorf("picked %v, want 100 and 300", picked)
		}
		n.stream(0, 0).end("12")
		n.stream(1, 0).end("14")
		after(time.Minute)
		if got := len(n.conn(0).streams); got != 1 {
			t.Errorf("asked again %d times after UNIMPLEMENTED", got-1)
		}
		n.stream(1, 1)
	})
}
