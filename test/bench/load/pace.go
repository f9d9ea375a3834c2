package load

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"
)

// pace sends the due time of every call of an open loop, as soon as it is reached, and closes
// the channel at the end. The channel holds the whole schedule, so that callers that fall
// behind never slow the clock down. Every run draws the same schedule.
func (r *run) pace(ctx context.Context) {
	defer close(r.due)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sleepExactly()
	rng := rand.New(rand.NewPCG(2, 7))
	mean := float64(time.Second) / r.cfg.Rate
	for due := time.Duration(0); due < r.end && ctx.Err() == nil; due += time.Duration(rng.ExpFloat64() * mean) {
		if ahead := due - r.now(); ahead > 0 {
			threadSleep(ahead)
		}
		select {
		case r.due <- due:
		case <-ctx.Done():
			return
		}
	}
}
