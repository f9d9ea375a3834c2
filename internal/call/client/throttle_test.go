package client

import (
	"math"
	"testing"
)

// gRFC A6, "Throttling Retry Attempts and Hedged RPCs".
func TestThrottle(t *testing.T) {
	th := NewThrottle(4, 0.5006)
	for i, want := range []bool{true, false, false, false, false, false} {
		if got := th.Failure(); got != want {
			t.Errorf("failure %d of 4 tokens: got another attempt %v, want %v (2 left is the threshold)", i+1, got, want)
		}
	}
	// The count stopped at 0: five successes make 2.5, the fourth 2.0.
	for i, want := range []bool{false, false, false, false, true} {
		th.Success()
		if got := th.Allow(); got != want {
			t.Errorf("success %d: got %v, want %v", i+1, got, want)
		}
	}
	for range 100 {
		th.Success()
	}
	if !th.Failure() || th.Failure() {
		t.Errorf("the count went above its maximum of 4: two failures must be the end")
	}
	var none *Throttle
	none.Success()
	if !none.Allow() || !none.Failure() {
		t.Errorf("without a budget everything is allowed")
	}
}

// Numbers of a service config that an int64 cannot hold leave a budget that works.
func TestThrottleOfHugeNumbers(t *testing.T) {
	for _, ratio := range []float64{1e300, math.MaxFloat64, 1e16} {
		th := NewThrottle(10, ratio)
		for range 6 {
			th.Failure()
		}
		if th.Allow() {
			t.Errorf("ratio %v: retries are allowed with 4 of 10 tokens, want them stopped", ratio)
		}
		if th.Success(); !th.Allow() {
			t.Errorf("ratio %v: a success did not fill the budget", ratio)
		}
	}
}

func TestRetryBackoffOfHugeNumbers(t *testing.T) {
	for _, p := range []RetryPolicy{
		{InitialBackoff: math.MaxInt64, MaxBackoff: math.MaxInt64, BackoffMultiplier: 1},
		{InitialBackoff: 1, MaxBackoff: math.MaxInt64, BackoffMultiplier: math.MaxFloat64},
	} {
		for step := range 200 {
			if d := p.backoff(step); d < 0 {
				t.Fatalf("%+v, step %d: a pause of %v, want no negative one", p, step, d)
			}
		}
	}
}
