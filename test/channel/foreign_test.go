package channel

import (
	"context"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/serviceconfig"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/orca"
)

// What servers tell clients besides answers, told by grpc-go's.

// TestLoadReports: weights follow the load that grpc-go's servers report, with each call (gRFC A51,
// per-query) or on a stream of their own (out of band): calls per second by utilisation (gRFC A58).
func TestLoadReports(t *testing.T) {
	t.Parallel()
	loads := []struct{ qps, utilization float64 }{{100, 0.5}, {300, 0.5}, {200, 0.5}} // weights 200, 600, 400
	for _, outOfBand := range []bool{false, true} {
		name := "with each call"
		if outOfBand {
			name = "out of band"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bs []*backend
			for _, l := range loads {
				metrics := orca.NewServerMetricsRecorder()
				metrics.SetQPS(l.qps)
				metrics.SetApplicationUtilization(l.utilization)
				bs = append(bs, start(t, "127.0.0.1", 0, reporting(metrics, outOfBand), echoAndReport))
			}
			c := dial(t, bs, naru.WithBalancer(balancer.WeightedRoundRobin{
				OutOfBand: outOfBand, Blackout: -1, UpdatePeriod: 100 * time.Millisecond}))
			var l load
			l.run(t, c, plain, 100, time.Second) // until there are weights
			for _, b := range bs {
				b.calls.Store(0)
			}
			l.run(t, c, plain, 200, 2*time.Second)
			l.wantNoErrors(t, "nothing fails here")
			total := 0.0
			for _, b := range bs {
				total += float64(b.calls.Load())
			}
			for i, b := range bs {
				want := loads[i].qps / 600
				if got := float64(b.calls.Load()) / total; got < want-0.03 || got > want+0.03 {
					t.Errorf("backend %d serves %.1f %%, want %.1f %%", i, 100*got, 100*want)
				}
			}
		})
	}
}

// echoAndReport asks for the call's recorder, without which grpc-go reports nothing with the call.
func echoAndReport(ctx context.Context, req string) (string, error) {
	_ = orca.CallMetricsRecorderFromContext(ctx)
	return req, nil
}

// reporting makes a server of grpc-go that reports its load.
func reporting(metrics orca.ServerMetricsRecorder, outOfBand bool) func(*backend) runner {
	if !outOfBand {
		return grpcServer(orca.CallMetricsServerOption(metrics))
	}
	return func(b *backend) runner {
		r := grpcServer()(b)
		if err := orca.Register(r.(grpcRunner).srv, orca.ServiceOptions{ServerMetricsProvider: metrics}); err != nil {
			b.t.Fatal(err)
		}
		return r
	}
}

// TestHealthChecking: a backend that grpc-go's health service calls NOT_SERVING gets no calls, and
// those it serves again (gRFC A17).
func TestHealthChecking(t *testing.T) {
	t.Parallel()
	checks := health.NewServer()
	ailing := start(t, "127.0.0.1", 0, func(b *backend) runner {
		r := grpcServer()(b)
		healthpb.RegisterHealthServer(r.(grpcRunner).srv, checks)
		return r
	}, echo)
	checks.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
	bs := []*backend{ailing, start(t, "127.0.0.1", 0, grpcServer(), echo)} // which has no health service: healthy
	name := service
	c := dial(t, bs, naru.WithBalancer(balancer.RoundRobin{}),
		naru.WithServiceConfig(&serviceconfig.Config{HealthCheckConfig: &serviceconfig.HealthCheckConfig{ServiceName: name}}))
	served := func() bool {
		before := ailing.calls.Load()
		for range 4 {
			if _, err := invoke(t.Context(), c, plain, "x"); err != nil {
				t.Fatal(err)
			}
		}
		return ailing.calls.Load() > before
	}
	await := func(want bool, why string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for served() != want {
			if ctx.Err() != nil {
				t.Fatalf("%s: the backend is called: %v", why, !want)
			}
		}
	}
	await(true, "it is SERVING")
	checks.SetServingStatus(service, healthpb.HealthCheckResponse_NOT_SERVING)
	await(false, "it is NOT_SERVING")
	if served() {
		t.Error("a backend that is NOT_SERVING was called once more")
	}
	checks.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
	await(true, "it is SERVING again")
}
