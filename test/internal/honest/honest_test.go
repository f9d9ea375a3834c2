package honest

import (
	"errors"
	"testing"
	"time"
)

// A recorder counts what would have failed.
type recorder struct {
	testing.TB
	errors int
}

func (*recorder) Helper() {}

func (r *recorder) Errorf(string, ...any) { r.errors++ }

// The bounds can fail: for each of them there is an outcome just beyond it that does, and one at it
// that does not.
func TestBounds(t *testing.T) {
	all := func(d time.Duration) (times [][]time.Duration) {
		for range probes {
			times = append(times, []time.Duration{d, d, d})
		}
		return times
	}
	outcome := func(quiet, attacked, recovery time.Duration) *Outcome {
		return &Outcome{quiet: all(quiet), attacked: all(attacked), after: all(quiet), Recovery: recovery}
	}
	const ms = time.Millisecond
	failed := outcome(ms, ms, 0)
	failed.Failed, failed.Err = 1, errors.New("a call failed")
	for _, tt := range []struct {
		name        string
		ours, other *Outcome
		want        int
	}{
		{"at all bounds", outcome(2*ms, 10*ms, time.Second), outcome(2*ms, 2*ms, 0), 0},
		{"above five times its quiet p99", outcome(2*ms, 11*ms, 0), outcome(2*ms, 2*ms, 0), len(probes)},
		{"below five times the other's", outcome(2*ms, 11*ms, 0), outcome(2*ms, 3*ms, 0), 0},
		{"quiet ones below a millisecond count as one", outcome(ms/100, 5*ms, 0), outcome(ms/100, ms/100, 0), 0},
		{"above that", outcome(ms/100, 6*ms, 0), outcome(ms/100, ms/100, 0), len(probes)},
		{"recovery, even if the other's takes longer", outcome(2*ms, 2*ms, 1001*ms), outcome(2*ms, 2*ms, 5*time.Second), 1},
		{"a call failed", failed, outcome(ms, ms, 0), 1},
	} {
		r := &recorder{TB: t}
		Bounds(r, tt.ours, tt.other)
		if r.errors != tt.want {
			t.Errorf("%s: %d errors, want %d", tt.name, r.errors, tt.want)
		}
	}
}
