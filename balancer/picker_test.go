package balancer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
)

// hotPolicies are the policies whose picks are counted and timed.
func hotPolicies() map[string]Policy {
	return map[string]Policy{
		"pick_first":           PickFirst{},
		"round_robin":          RoundRobin{},
		"least_request":        LeastRequest{},
		"least_request_10":     LeastRequest{Choices: 10},
		"weighted_round_robin": WeightedRoundRobin{},
		"ring_hash":            RingHash{Header: "user"},
		"outlier_detection":    OutlierDetection{FailurePercentage: &FailurePercentageEjection{}, Latency: &LatencyEjection{}, Child: LeastRequest{}},
	}
}

// realClock is a fakeHost whose clock and chance may be used by many goroutines.
type realClock struct{ *fakeHost }

func (realClock) Now() time.Time { return time.Unix(1e9, 0) }
func (realClock) Uint64() uint64 { return rand.Uint64() }

// hotPicker connects a policy to ten backends.
func hotPicker(t testing.TB, p Policy) (Picker, *CallInfo) {
	h := newFakeHost()
	b := p.New(realClock{h})
	var addrs []string
	for i := range 10 {
		addrs = append(addrs, fmt.Sprintf("10.0.0.%d:1", i))
	}
	if err := b.Update(Update{Endpoints: resolver.EndpointsOf(addrs...), Policy: p}); err != nil {
		t.Fatal(err)
	}
	call := &CallInfo{Method: "/s/m", Metadata: metadata.MD{"user": {"bob"}}}
	if _, ok := p.(RingHash); ok {
		for h.state.Picker.Pick(call, &Pick{}) == ErrQueue && len(h.later) > 0 {
			h.settle()
		}
	}
	for _, s := range h.subs {
		s.opts.OnState(SubConnState{State: 1})
		s.opts.OnState(SubConnState{State: 2})
		if s.opts.OnHealth != nil {
			s.opts.OnHealth(SubConnState{State: 2})
		}
	}
	return h.state.Picker, call
}

func TestPicksDoNotAllocate(t *testing.T) {
	for name, p := range hotPolicies() {
		picker, call := hotPicker(t, p)
		pick, end := &Pick{}, &DoneInfo{Sent: true, Received: true}
		n := testing.AllocsPerRun(200, func() {
			if err := picker.Pick(call, pick); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			pick.Done(end)
			pick.Reset()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per pick, want 0", name, n)
		}
	}
}

// TestPicksTogether is for the race detector: pickers are used by many goroutines while they are
// replaced.
func TestPicksTogether(t *testing.T) {
	for name, p := range hotPolicies() {
		picker, call := hotPicker(t, p)
		var wg sync.WaitGroup
		load := string(AppendLoadReport(nil, &LoadReport{CPU: 0.5, QPS: 100}))
		for range 4 {
			wg.Go(func() {
				pick := &Pick{}
				for range 1000 {
					if err := picker.Pick(call, pick); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					pick.Done(&DoneInfo{Sent: true, Received: true, Load: load})
					pick.Reset()
				}
			})
		}
		wg.Wait()
	}
}

func BenchmarkPick(b *testing.B) {
	for name, p := range hotPolicies() {
		b.Run(name, func(b *testing.B) {
			picker, call := hotPicker(b, p)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				pick, end := &Pick{}, &DoneInfo{Sent: true, Received: true}
				for pb.Next() {
					if err := picker.Pick(call, pick); err != nil {
						b.Error(err)
					}
					pick.Done(end)
					pick.Reset()
				}
			})
		})
	}
}

// TestMoreFeedbackThanFits: policies around each other may be more than a Pick has room for.
func TestMoreFeedbackThanFits(t *testing.T) {
	var p Pick
	var order []int64
	f := feedbackFunc(func(token int64) { order = append(order, token) })
	for i := range int64(maxFeedback + 3) {
		p.Watch(f, i)
	}
	p.Done(&DoneInfo{})
	if got, want := fmt.Sprint(order), "[6 5 4 3 2 1 0]"; got != want {
		t.Errorf("told in the order %s, want %s: the last to ask first", got, want)
	}
	p.Reset()
	if p.Watched() {
		t.Errorf("still watched after Reset")
	}
}

type feedbackFunc func(int64)

func (f feedbackFunc) Done(_ *DoneInfo, token int64) { f(token) }

func TestLoadReportRoundTrip(t *testing.T) {
	in := &LoadReport{
		CPU: 0.5, Memory: 0.25, Application: 1.5, QPS: 100, EPS: 2,
		Utilization: map[string]float64{"disk": 0.5}, RequestCost: map[string]float64{"rows": 12}, Named: map[string]float64{"queue": 3},
	}
	wire := AppendLoadReport(nil, in)
	var out LoadReport
	if err := ParseLoadReport(string(wire), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%+v", out), fmt.Sprintf("%+v", *in); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { _ = ParseLoadReport(string(wire[:9]), &out) }); n > 1 {
		t.Errorf("allocations for a plain report: got %v", n)
	}
}

func FuzzParseLoadReport(f *testing.F) {
	f.Add(AppendLoadReport(nil, &LoadReport{CPU: 0.5, QPS: 100, EPS: 1, Named: map[string]float64{"a": 1}}))
	f.Add([]byte{0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0x2a, 0x02, 0x0a, 0x00, 0xff})
	f.Fuzz(func(t *testing.T, wire []byte) {
		var r LoadReport
		if ParseLoadReport(string(wire), &r) != nil {
			return
		}
		for _, v := range []float64{r.CPU, r.Memory, r.Application, r.QPS, r.EPS} {
			if !(v >= 0) || math.IsInf(v, 0) {
				t.Errorf("%x: a value of %v passed", wire, v)
			}
		}
		w := endpointWeight{clock: newFakeHost(), penalty: 1}
		w.report(&r)
		if !(w.value >= 0) {
			t.Errorf("%x: weight %v", wire, w.value)
		}
	})
}

// TestPolicyConfigs: what the parsers take, and what they refuse with the key's path.
func TestPolicyConfigs(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"pick_first", `{"shuffleAddressList":true}`, `{Shuffle:true AttemptDelay:0s petiole:false}`},
		{"least_request_experimental", `{"choiceCount":100}`, `Choices:10`},
		{"least_request", `{"choiceCount":1}`, `error least_request.choiceCount: 1 is less than 2`},
		{"weighted_round_robin", `{"blackoutPeriod":"0s","weightUpdatePeriod":"0.01s","errorUtilizationPenalty":0}`, `Blackout:-1ns Expiration:0s UpdatePeriod:100ms ErrorPenalty:-1`},
		{"weighted_round_robin", `{"errorUtilizationPenalty":-1}`, `error weighted_round_robin.errorUtilizationPenalty: -1 is negative`},
		{"weighted_round_robin", `{"slowStartConfig":{"aggression":0}}`, `error weighted_round_robin.slowStartConfig.slowStartWindow: it must be there`},
		{"ring_hash_experimental", `{"minRingSize":8388609}`, `error ring_hash_experimental.minRingSize: 8388609 is more than 8388608`},
		{"ring_hash", `{"minRingSize":10,"maxRingSize":5}`, `error ring_hash.minRingSize: 10 is more than maxRingSize 5`},
		{"ring_hash", `{"requestHashHeader":"x-bin"}`, `error ring_hash.requestHashHeader: "x-bin" is a binary header`},
		{"ring_hash", `{"requestHashHeader":"X"}`, `error ring_hash.requestHashHeader: "X" is not a header name`},
		{"random_subsetting", `{"childPolicy":[{"round_robin":{}}]}`, `error random_subsetting.subsetSize: it is missing`},
		{"random_subsetting", `{"subsetSize":2}`, `error random_subsetting.childPolicy: it is missing`},
		{"outlier_detection", `{"childPolicy":[{"pick_first":{}}],"maxEjectionPercent":101}`, `error outlier_detection.maxEjectionPercent: 101 is more than 100`},
		{"outlier_detection", `{"childPolicy":[{"pick_first":{}}],"interval":"-1s"}`, `error outlier_detection.interval: -1s is not above 0s`},
		{"outlier_detection", `{"childPolicy":[{"pick_first":{}}],"failurePercentageEjection":{"treshold":1}}`, `error outlier_detection.failurePercentageEjection.treshold: unknown key; did you mean "threshold"?`},
		{"outlier_detection", `{"childPolicy":[{"least_request":{"choiceCount":1}}]}`, `error outlier_detection.childPolicy[0].least_request.choiceCount: 1 is less than 2`},
	} {
		sc, err := serviceconfig.Parse(fmt.Sprintf(`{"loadBalancingConfig":[{%q:%s}]}`, tt.name, tt.in), Builtin())
		got := ""
		if err != nil {
			got = "error " + strings.ReplaceAll(err.Error(), "service config: loadBalancingConfig[0].", "")
		} else {
			got = fmt.Sprintf("%+v", sc.LoadBalancingConfig)
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: got %s, want %s", tt.name, tt.in, got, tt.want)
		}
	}
}
