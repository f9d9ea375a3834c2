package features

import (
	"context"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// TestOutliersAreEjected: which settings have a backend that fails or is slow taken away, with five
// backends and 20 calls each in an interval.
func TestOutliersAreEjected(t *testing.T) {
	failing := balancer.OutlierDetection{Interval: 5 * time.Second, MaxPercent: 50}
	rate := func(s balancer.SuccessRateEjection) balancer.OutlierDetection {
		return balancer.OutlierDetection{Interval: 5 * time.Second, MaxPercent: 50, SuccessRate: &s}
	}
	percent := func(s balancer.FailurePercentageEjection) balancer.OutlierDetection {
		return balancer.OutlierDetection{Interval: 5 * time.Second, MaxPercent: 50, FailurePercentage: &s}
	}
	slow := func(s balancer.LatencyEjection) balancer.OutlierDetection {
		return balancer.OutlierDetection{Interval: 5 * time.Second, MaxPercent: 50, Latency: &s}
	}
	easy := &balancer.FailurePercentageEjection{Threshold: 50, MinHosts: 3, Volume: 5}
	for name, tt := range map[string]struct {
		p       balancer.OutlierDetection
		ejected bool
	}{
		"nothing asked for":     {failing, false},
		"success rate":          {rate(balancer.SuccessRateEjection{StdevFactor: 1, MinHosts: 5, Volume: 20}), true},
		"success rate, factor":  {rate(balancer.SuccessRateEjection{StdevFactor: 10, MinHosts: 5, Volume: 20}), false},
		"success rate, hosts":   {rate(balancer.SuccessRateEjection{StdevFactor: 1, MinHosts: 6, Volume: 20}), false},
		"success rate, volume":  {rate(balancer.SuccessRateEjection{StdevFactor: 1, MinHosts: 5, Volume: 21}), false},
		"success rate, chance":  {rate(balancer.SuccessRateEjection{StdevFactor: 1, MinHosts: 5, Volume: 20, Enforcement: -1}), false},
		"failures":              {percent(balancer.FailurePercentageEjection{Threshold: 99, MinHosts: 5, Volume: 20}), true},
		"failures, threshold":   {percent(balancer.FailurePercentageEjection{Threshold: 100, MinHosts: 5, Volume: 20}), false},
		"failures, hosts":       {percent(balancer.FailurePercentageEjection{Threshold: 50, MinHosts: 6, Volume: 20}), false},
		"failures, volume":      {percent(balancer.FailurePercentageEjection{Threshold: 50, MinHosts: 5, Volume: 21}), false},
		"failures, chance":      {percent(balancer.FailurePercentageEjection{Threshold: 50, MinHosts: 5, Volume: 20, Enforcement: -1}), false},
		"latency":               {slow(balancer.LatencyEjection{Factor: 2, MinHosts: 4, Volume: 20}), true},
		"latency, factor":       {slow(balancer.LatencyEjection{Factor: 1e6, MinHosts: 4, Volume: 20}), false},
		"latency, hosts":        {slow(balancer.LatencyEjection{Factor: 2, MinHosts: 6, Volume: 20}), false},
		"latency, volume":       {slow(balancer.LatencyEjection{Factor: 2, MinHosts: 4, Volume: 21}), false},
		"latency, chance":       {slow(balancer.LatencyEjection{Factor: 2, MinHosts: 4, Volume: 20, Enforcement: -1}), false},
		"none may be away":      {balancer.OutlierDetection{Interval: 5 * time.Second, MaxPercent: -1, FailurePercentage: easy}, false},
		"too early":             {balancer.OutlierDetection{Interval: time.Hour, MaxPercent: 50, FailurePercentage: easy}, false},
		"around another policy": {balancer.OutlierDetection{Interval: 5 * time.Second, FailurePercentage: easy, Child: balancer.LeastRequest{Choices: 5, IgnoreLatency: true}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				fl.bs[0].does(func(context.Context, string) (string, error) {
					if tt.p.Latency != nil {
						<-time.After(10 * time.Millisecond)
						return "bad", nil
					}
					return "", status.Error(codes.Internal, "bad")
				})
				if tt.p.Latency != nil {
					for _, b := range fl.bs[1:] {
						b.does(func(context.Context, string) (string, error) { <-time.After(time.Millisecond); return b.name, nil })
					}
				}
				c := fl.client(naru.WithBalancer(tt.p))
				ready(t, c)
				each(c, 100)
				pass(5 * time.Second)
				before := fl.bs[0].calls.Load()
				each(c, 100)
				if got := fl.bs[0].calls.Load() == before; got != tt.ejected {
					t.Errorf("taken away: %v, want %v", got, tt.ejected)
				}
			}, "a", "b", "c", "d", "e")
		})
	}
}

// each makes n calls, one after another, of which some may fail.
func each(c *naru.Client, n int) {
	for range n {
		_, _ = get(c)
	}
}

// TestEjectionTimes: an endpoint is away for BaseEjection, the second time for twice as long, up to
// MaxEjection.
func TestEjectionTimes(t *testing.T) {
	for longest, second := range map[time.Duration]time.Duration{0: 40 * time.Second, 20 * time.Second: 20 * time.Second} {
		virtual(t, func(t *testing.T, fl *fleet) {
			fl.bs[0].does(func(context.Context, string) (string, error) { return "", status.Error(codes.Internal, "bad") })
			c := fl.client(naru.WithBalancer(balancer.OutlierDetection{
				Interval: time.Second, BaseEjection: 20 * time.Second, MaxEjection: longest, MaxPercent: 50,
				FailurePercentage: &balancer.FailurePercentageEjection{Threshold: 50, MinHosts: 3, Volume: 1},
			}))
			ready(t, c)
			for i, want := range []time.Duration{20 * time.Second, second} {
				for before := int64(-1); before != fl.bs[0].calls.Load(); pass(time.Second) { // until it is away
					before = fl.bs[0].calls.Load()
					each(c, 12)
				}
				before, away := fl.bs[0].calls.Load(), time.Duration(0)
				for ; fl.bs[0].calls.Load() == before; away += time.Second {
					pass(time.Second)
					each(c, 12)
				}
				if away < want-3*time.Second || away > want+3*time.Second {
					t.Errorf("longest %v, time %d: away for %v, want about %v", longest, i+1, away, want)
				}
			}
		}, "a", "b", "c", "d")
	}
}
