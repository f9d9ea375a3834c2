package features

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/metadata"
)

const loadTrailer = "endpoint-load-metrics-bin"

// reports makes a backend answer with a load report in the trailers of each call.
func (b *backend) reports(r balancer.LoadReport) {
	b.does(func(ctx context.Context, _ string) (string, error) {
		err := naru.SetTrailer(ctx, metadata.Pairs(loadTrailer, string(balancer.AppendLoadReport(nil, &r))))
		return b.name, err
	})
}

// TestWeightsFollowLoadReports: calls go out in proportion to qps / utilization (gRFC A58), once
// the blackout is over, and not at all by reports that have expired.
func TestWeightsFollowLoadReports(t *testing.T) {
	byGo := naru.WithBalancer(balancer.WeightedRoundRobin{Blackout: 5 * time.Second, Expiration: 20 * time.Second, UpdatePeriod: 500 * time.Millisecond})
	byJSON := json("weighted_round_robin", `{"blackoutPeriod":"5s","weightExpirationPeriod":"20s","weightUpdatePeriod":"0.5s"}`)
	for name, opt := range map[string]naru.ClientOption{"Go": byGo, "JSON": byJSON} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				fl.bs[0].reports(balancer.LoadReport{QPS: 100, CPU: 0.5})
				fl.bs[1].reports(balancer.LoadReport{QPS: 300, CPU: 0.9, Application: 0.5})
				c := fl.client(opt)
				ready(t, c)
				spread(t, c, 20)
				pass(4 * time.Second)
				wantShare(t, spread(t, c, 400), "b", 0.5, "during the blackout")
				pass(2 * time.Second)
				wantShare(t, spread(t, c, 400), "b", 0.75, "after the blackout")
				for _, b := range fl.bs {
					b.does(func(context.Context, string) (string, error) { return b.name, nil }) // no reports any more
				}
				pass(21 * time.Second)
				wantShare(t, spread(t, c, 400), "b", 0.5, "after the reports expired")
			}, "a", "b")
		})
	}
}

// TestErrorsCountAsLoad: ErrorPenalty times the share of errors is added to the utilization; a
// negative one adds nothing.
func TestErrorsCountAsLoad(t *testing.T) {
	for _, tt := range []struct {
		opt   naru.ClientOption
		share float64 // of the backend whose calls fail half the time
	}{
		{naru.WithBalancer(balancer.WeightedRoundRobin{Blackout: -1}), 1.0 / 3}, // utilization 0.5 and 0.5 + 0.5
		{naru.WithBalancer(balancer.WeightedRoundRobin{Blackout: -1, ErrorPenalty: 3}), 0.2},
		{naru.WithBalancer(balancer.WeightedRoundRobin{Blackout: -1, ErrorPenalty: -1}), 0.5},
		{json("weighted_round_robin", `{"blackoutPeriod":"0s","errorUtilizationPenalty":3}`), 0.2},
		{json("weighted_round_robin", `{"blackoutPeriod":"0s","errorUtilizationPenalty":0}`), 0.5},
	} {
		virtual(t, func(t *testing.T, fl *fleet) {
			fl.bs[0].reports(balancer.LoadReport{QPS: 100, CPU: 0.5})
			fl.bs[1].reports(balancer.LoadReport{QPS: 100, CPU: 0.5, EPS: 50})
			c := fl.client(tt.opt)
			ready(t, c)
			spread(t, c, 20)
			pass(2 * time.Second)
			wantShare(t, spread(t, c, 400), "b", tt.share, "with errors")
		}, "a", "b")
	}
}

func wantShare(t *testing.T, count map[string]int, name string, share float64, when string) {
	t.Helper()
	n := 0
	for _, c := range count {
		n += c
	}
	if got := float64(count[name]) / float64(n); math.Abs(got-share) > 0.05 {
		t.Errorf("%s: %s served %.0f %% (%v), want %.0f %%", when, name, 100*got, count, 100*share)
	}
}

// TestHostileLoadReports: whatever number a backend reports, calls are picked for at once and reach
// the others too.
func TestHostileLoadReports(t *testing.T) {
	wild := []float64{math.SmallestNonzeroFloat64, 1e-300, 1e300, math.MaxFloat64, math.Inf(1), math.NaN(), -1}
	for _, qps := range wild {
		for _, cpu := range wild {
			virtual(t, func(t *testing.T, fl *fleet) {
				fl.bs[0].reports(balancer.LoadReport{QPS: qps, CPU: cpu, EPS: qps})
				fl.bs[1].reports(balancer.LoadReport{QPS: qps, CPU: cpu})
				fl.bs[2].reports(balancer.LoadReport{QPS: 100, CPU: 0.5})
				c := fl.client(naru.WithBalancer(balancer.WeightedRoundRobin{Blackout: -1}))
				ready(t, c)
				spread(t, c, 6)
				pass(2 * time.Second)
				start := time.Now()
				spread(t, c, 100)
				if took := time.Since(start); took > 0 {
					t.Errorf("qps %v, cpu %v: 100 calls took %v of virtual time, want none", qps, cpu, took)
				}
			}, "a", "b", "c")
		}
	}
}
