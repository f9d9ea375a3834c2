package features

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/encoding"
)

func TestPickFirstShuffle(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		first := func(p balancer.PickFirst) map[string]int {
			count := map[string]int{}
			for range 40 {
				count[want(t, fl.client(naru.WithBalancer(p)))]++
			}
			return count
		}
		if got := first(balancer.PickFirst{}); got["a"] != 40 {
			t.Errorf("without: %v, want the first address every time", got)
		}
		if got := first(balancer.PickFirst{Shuffle: true}); len(got) < 2 {
			t.Errorf("shuffled: %v, want several", got)
		}
	}, "a", "b", "c")
}

// TestSlowStart: a backend that joins gets a part of its share, which grows over the window.
func TestSlowStart(t *testing.T) {
	warm := &balancer.SlowStart{Window: 100 * time.Second, MinWeight: 0.2}
	fast := &balancer.SlowStart{Window: 100 * time.Second, Aggression: 4, MinWeight: 0.01}
	for name, tt := range map[string]struct {
		p                  balancer.Policy
		least, most, after float64 // shares: bounds at 2 s, and about the one at 120 s
	}{
		"round_robin":             {balancer.RoundRobin{SlowStart: warm}, 0.12, 0.22, 0.5},
		"round_robin, aggression": {balancer.RoundRobin{SlowStart: fast}, 0.22, 0.35, 0.5},
		"weighted_round_robin":    {balancer.WeightedRoundRobin{SlowStart: warm}, 0.12, 0.22, 0.5},
		"least_request":           {balancer.LeastRequest{SlowStart: warm, IgnoreLatency: true}, 0, 0.05, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				late := fl.bs[1]
				late.kill()
				c := fl.client(naru.WithBalancer(tt.p), naru.WithBackoff(connectivity.Backoff{BaseDelay: time.Second, MaxDelay: time.Second, Multiplier: 1, Jitter: -1}))
				ready(t, c)
				pass(200 * time.Second)
				late.up()
				pass(3 * time.Second)
				got := spread(t, c, 400)
				if share := float64(got["b"]) / 400; share < tt.least || share > tt.most {
					t.Errorf("new: %v, want a share from %v to %v", got, tt.least, tt.most)
				}
				pass(120 * time.Second)
				wantShare(t, spread(t, c, 3000), "b", tt.after, "warm")
			}, "a", "b")
		})
	}
}

// TestLeastRequestChoices: with as many choices as backends a busy one gets no call.
func TestLeastRequestChoices(t *testing.T) {
	for _, opt := range []naru.ClientOption{
		naru.WithBalancer(balancer.LeastRequest{Choices: 3}), json("least_request_experimental", `{"choiceCount":3}`),
	} {
		virtual(t, func(t *testing.T, fl *fleet) {
			fl.bs[0].does(func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() })
			c := fl.client(opt)
			ready(t, c)
			pass(time.Second) // until all are connected
			for fl.bs[0].calls.Load() == 0 {
				go get(c, naru.WithTimeout(time.Hour)) // one of them keeps the first backend busy until the client is closed
				pass(time.Millisecond)
			}
			if got := spread(t, c, 50); got["a"] != 0 {
				t.Errorf("calls beside a busy backend: %v, want none on it", got)
			}
		}, "a", "b", "c")
	}
}

func TestSubsetting(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		for _, tt := range []struct {
			p    balancer.RandomSubsetting
			want int
		}{{balancer.RandomSubsetting{Size: 2}, 2}, {balancer.RandomSubsetting{Size: 9}, 4}, {balancer.RandomSubsetting{Size: 3, Child: balancer.PickFirst{}}, 1}} {
			c := fl.client(naru.WithBalancer(tt.p))
			ready(t, c)
			if got := spread(t, c, 40); len(got) != tt.want {
				t.Errorf("%+v: calls went to %v, want %d backends", tt.p, got, tt.want)
			}
		}
	}, "a", "b", "c", "d")
}

// TestReportingPeriod: backends are asked to report out of band with the period of the policy.
func TestReportingPeriod(t *testing.T) {
	for period, want := range map[time.Duration]string{0: "\n\x04\x08\x0a\x10\x00", 3 * time.Second: "\n\x04\x08\x03\x10\x00"} {
		virtual(t, func(t *testing.T, fl *fleet) {
			asked := make(chan string, 1)
			fl.start("a", naru.WithUnknownServiceHandler(func(method string, s naru.ServerStream) error {
				var req encoding.RawMessage
				if err := s.RecvMsg(&req); err != nil {
					return err
				}
				asked <- method + " " + string(req)
				<-s.Context().Done()
				return s.Context().Err()
			}))
			ready(t, fl.client(naru.WithBalancer(balancer.WeightedRoundRobin{OutOfBand: true, ReportingPeriod: period})))
			if got := <-asked; !strings.HasSuffix(got, want) {
				t.Errorf("period %v: asked %q, want the duration %q", period, got, want)
			}
		})
	}
}

// TestPickFirstAttemptDelay: an address that does not answer keeps the next one waiting for
// AttemptDelay.
func TestPickFirstAttemptDelay(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		hang := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "a" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return fl.dial(ctx, network, addr)
		}
		for delay, want := range map[time.Duration]time.Duration{0: 250 * time.Millisecond, 700 * time.Millisecond: 700 * time.Millisecond} {
			start := time.Now()
			ready(t, fl.client(naru.WithDialer(hang), naru.WithBalancer(balancer.PickFirst{AttemptDelay: delay})))
			if took := time.Since(start); took != want {
				t.Errorf("delay %v: connected to the second address after %v, want %v", delay, took, want)
			}
		}
	}, "a", "b")
}
