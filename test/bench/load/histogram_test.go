package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsCoverTheirValues(t *testing.T) {
	last := -1
	for v := time.Duration(0); v < 70*time.Second; v += 1 + v/300 {
		i := bucketOf(v)
		if i < last {
			t.Fatalf("bucket of %d is %d, below %d of a smaller value", v, i, last)
		}
		last = i
		if v < 1<<maxExponent {
			if end := upperEnd(i); end < v || float64(end) > float64(v)*1.008+1 {
				t.Fatalf("bucket of %d ends at %d: want it at or within 0.8 %% above", v, end)
			}
		}
	}
	if bucketOf(-1) != 0 {
		t.Errorf("a negative duration went to bucket %d, want 0", bucketOf(-1))
	}
}

func TestQuantilesAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var a, b Histogram
	var all []time.Duration
	for i := range 20000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			a.Record(d)
		} else {
			b.Record(d)
		}
	}
	a.Merge(&b)
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[max(0, int(q*float64(len(all)))-1)]
		got := a.Quantile(q)
		if float64(got) < float64(want)*0.99 || float64(got) > float64(want)*1.02+1 {
			t.Errorf("quantile %v: got %v, sorting gives %v", q, got, want)
		}
	}
	if a.Max() != all[len(all)-1] || a.Total() != uint64(len(all)) {
		t.Errorf("max %v of %d, want %v of %d", a.Max(), a.Total(), all[len(all)-1], len(all))
	}
	if got := new(Histogram).Quantile(0.5); got != 0 {
		t.Errorf("empty histogram: median %v, want 0", got)
	}
}
