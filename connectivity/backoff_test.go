package connectivity

import (
	"math"
	"testing"
	"testing/quick"
	"time"
)

func TestBackoffIsNeverNegative(t *testing.T) {
	f := func(base int64, multiplier, unit float64, n uint16) bool {
		b := Backoff{BaseDelay: time.Duration(base & math.MaxInt64), Multiplier: multiplier, MaxDelay: math.MaxInt64, Jitter: 0.99}
		if b.Validate() != nil {
			return true
		}
		return b.Delay(int(n), math.Abs(math.Mod(unit, 1))) >= 0
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 5000}); err != nil {
		t.Error(err)
	}
	if d := (Backoff{MaxDelay: math.MaxInt64}).Delay(1000, 0.999); d <= 0 {
		t.Errorf("a wait of %v after 1000 failures, want a positive one", d)
	}
}
