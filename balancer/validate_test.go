package balancer

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		p    Validator
		want string
	}{
		{RoundRobin{SlowStart: &SlowStart{}}, "round_robin: slow start: Window 0s"},
		{LeastRequest{SlowStart: &SlowStart{Window: 1, Aggression: -1}}, "Aggression -1"},
		{LeastRequest{SlowStart: &SlowStart{Window: 1, MinWeight: 2}}, "MinWeight 2"},
		{LeastRequest{Choices: -1}, "Choices is -1"},
		{WeightedRoundRobin{Expiration: -1}, "Expiration -1ns"},
		{RingHash{Header: "X"}, `Header "X" is not a header name`},
		{RingHash{MinSize: 2, MaxSize: 1}, "MinSize 2 and MaxSize 1"},
		{RandomSubsetting{Child: LeastRequest{Choices: 1}}, "Size 0"},
		{RandomSubsetting{Size: 1, Child: LeastRequest{Choices: 1}}, "Choices is 1"},
		{OutlierDetection{Interval: -1}, "Interval -1ns"},
		{OutlierDetection{FailurePercentage: &FailurePercentageEjection{Threshold: 101}}, "Threshold 101"},
		{OutlierDetection{Latency: &LatencyEjection{Factor: 1}}, "Factor 1"},
	} {
		if err := tt.p.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), tt.p.Name()) {
			t.Errorf("%+v: got %v, want %s", tt.p, err, tt.want)
		}
	}
	for _, p := range []Validator{
		RoundRobin{}, LeastRequest{}, WeightedRoundRobin{Blackout: -1}, RingHash{}, RandomSubsetting{Size: 1}, OutlierDetection{MaxPercent: -1},
		LeastRequest{Choices: 2, SlowStart: &SlowStart{Window: time.Second}},
	} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
