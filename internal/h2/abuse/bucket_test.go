package abuse

import (
	"math/rand/v2"
	"testing"
)

// oracle is a token bucket as textbooks write it, in fractions of a token.
type oracle struct {
	tokens, last float64
}

func (o *oracle) take(now int64, r Rate) bool {
	o.tokens = min(float64(r.Burst), o.tokens+(float64(now)-o.last)*float64(r.PerSecond)/1e9)
	o.last = float64(now)
	if o.tokens < 1 {
		return false
	}
	o.tokens--
	return true
}

// Over random schedules the bucket decides as the textbook's does, but for the one event
// that rounding may shift.
func TestBucket_AgreesWithTextbook(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := Rate{Burst: 1 + rnd.IntN(50), PerSecond: 1 + rnd.IntN(2000)}
		compiled := newRate(r)
		start := rnd.Int64N(1 << 60) // any clock will do
		var b bucket
		o := oracle{tokens: float64(r.Burst), last: float64(start)}
		now, took, want := start, 0, 0
		for range 2000 {
			now += rnd.Int64N(3e9 / int64(r.PerSecond))
			if b.take(now, compiled) {
				took++
			}
			if o.take(now, r) {
				want++
			}
			if took < want-1 || took > want+1 {
				t.Fatalf("seed %d, rate %+v: took %d, textbook %d", seed, r, took, want)
			}
		}
	}
}

// In any window the bucket lets through at most the burst and the refill of the window.
func TestBucket_NeverExceedsBurstAndRate(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		r := Rate{Burst: 1 + rnd.IntN(20), PerSecond: 1 + rnd.IntN(100)}
		compiled := newRate(r)
		var b bucket
		var taken []int64
		for now := int64(1); now < 3e9; now += rnd.Int64N(5e6) {
			if b.take(now, compiled) {
				taken = append(taken, now)
			}
		}
		for i := range taken {
			for j := i; j < len(taken); j += 7 {
				window := float64(taken[j]-taken[i]) / 1e9
				if n := float64(j - i + 1); n > float64(r.Burst)+window*float64(r.PerSecond)*1.001+1e-6 {
					t.Fatalf("seed %d, rate %+v: %v events in %v s", seed, r, n, window)
				}
			}
		}
	}
}

func TestBucket_Shapes(t *testing.T) {
	count := func(r Rate, now int64, tries int) (n int) {
		var b bucket
		for range tries {
			if b.take(now, newRate(r)) {
				n++
			}
		}
		return n
	}
	const unixNow = 1_800_000_000_000_000_000
	for _, now := range []int64{0, 1, unixNow} {
		for _, tt := range []struct {
			r    Rate
			want int
		}{
			{Rate{Burst: 10, PerSecond: 1}, 10},
			{Rate{Burst: 10, PerSecond: 1e9}, 10},
			{Rate{Burst: 1, PerSecond: 33}, 1},
			{Rate{Burst: 1}, 1},
			{Rate{Burst: 10}, 10},
			{Rate{}, 0},
			{Rate{Burst: -1}, 100},
		} {
			if got := count(tt.r, now, 100); got != tt.want {
				t.Errorf("rate %+v at %d: %d of 100 at once, want %d", tt.r, now, got, tt.want)
			}
		}
	}
	// A bucket that only empties is as empty a year later.
	r := newRate(Rate{Burst: 3})
	var b bucket
	for range 3 {
		b.take(unixNow, r)
	}
	const year = 365 * 24 * 3600 * int64(1e9)
	if b.take(unixNow+year, r) {
		t.Error("a rate of 0/s refilled")
	}
	// Largest numbers a Config allows.
	if r := newRate(Rate{Burst: MaxRate, PerSecond: 1}); unixNow+r.depth+r.interval < unixNow {
		t.Error("the largest burst overflows")
	}
}

func TestBucket_ClockThatRunsBackwards(t *testing.T) {
	r := newRate(Rate{Burst: 10, PerSecond: 10})
	var b bucket
	const now = int64(1e12)
	for range 10 {
		b.take(now, r)
	}
	if b.take(now-1e9, r) {
		t.Error("going back in time gave a token")
	}
	if !b.take(now+1e8, r) {
		t.Error("no token after its time had come")
	}
}
