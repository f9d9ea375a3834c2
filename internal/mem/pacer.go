package mem

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// The Go collector runs each time the heap has doubled, and no sooner than at 4 MiB. A process with
// little live data that receives megabytes reaches that after three of them: it then spends
// two thirds of its time on hundreds of collections per second which each find next to nothing.
// The cost of a collection is in starting, sweeping and stopping it, not in the few live objects.
//
// So while large messages are decoded and live data is below the floor, the pacer holds as much again
// in one object without pointers that nobody touches: the operating system gives no memory
// for it, and the collector runs once for as much garbage or more. It lets go when
// the messages stop, when the program has live data of its own, and it does nothing under a memory
// limit (GOMEMLIMIT) that leaves no room for it. docs/decisions/0013 has the figures.
const (
	// The floor is a 64th of the memory there is, so that a process in a small container stays small; what the garbage
	// comes to is at most twice that.
	floorShare = 64
	leastFloor = 4 << 20
	usualFloor = 16 << 20 // if it is not known how much memory there is
	mostFloor  = 64 << 20 // more than that gains nothing
	// churnBytes of large messages between two collections that are no more than churnTime apart
	// are what it takes to hold the floor.
	churnBytes = 1 << 20
	churnTime  = time.Second
	// roomyShare: a floor is held under memory limits that are this many times as large, or larger.
	roomyShare = 16
	// restTime is how long shelves are kept that nobody uses.
	restTime = 10 * time.Second
)

// LargeMessage is the size from which Decoded wants to be told.
const LargeMessage = 16 << 10

// Decoded tells that a message of n bytes, LargeMessage or more, was decoded: about as much
// garbage will follow.
func Decoded(n int) {
	pace.churn.Add(int64(n))
	pace.watch()
}

// pacer looks at what happened between two collections, at the end of each, while there is
// something to look at.
type pacer struct {
	// immutable
	live func() int // bytes the last collection found in use
	size func() int // bytes of the floor

	churn    atomic.Int64 // bytes decoded since the last collection
	used     atomic.Bool  // shelves were used since
	watching atomic.Bool  // looked will run after the next collection

	// guarded by mu
	mu    sync.Mutex
	floor []byte
	last  time.Time // the last collection looked at
	rest  time.Time // since when nothing happened; zero: something does
}

var pace = pacer{live: liveBytes, size: sync.OnceValue(func() int { return floorFor(available()) })}

func floorFor(memory uint64) int {
	if memory == 0 {
		return usualFloor
	}
	return int(min(max(memory/floorShare, leastFloor), mostFloor))
}

// watch makes the pacer run after the next collection.
func (p *pacer) watch() {
	if !p.used.Load() {
		p.used.Store(true)
	}
	if !p.watching.Load() && p.watching.CompareAndSwap(false, true) {
		p.arm()
	}
}

// arm leaves an object that the next collection finds unreachable. It holds a pointer so that it is not
// packed together with others, which would keep it.
func (p *pacer) arm() {
	type sentinel struct{ _ *pacer }
	runtime.AddCleanup(&sentinel{}, func(p *pacer) {
		if p.collected(time.Now()) {
			p.arm()
		}
	}, p)
}

// collected looks at what happened since the last collection, and tells whether to look again.
func (p *pacer) collected(now time.Time) (again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	churn, used := p.churn.Swap(0), p.used.Swap(false)
	often := now.Sub(p.last) < churnTime
	p.last = now
	p.setFloor(often && churn >= churnBytes && p.live()-len(p.floor) < p.size() && p.roomy())
	switch {
	case used:
		p.rest = time.Time{}
	case p.rest.IsZero():
		p.rest = now
	case now.Sub(p.rest) >= restTime:
		for i := range shelves {
			shelves[i].empty()
		}
		p.rest = time.Time{}
		p.watching.Store(false)
		return false
	}
	return true
}

func (p *pacer) setFloor(hold bool) {
	switch {
	case !hold:
		p.floor = nil
	case p.floor == nil:
		p.floor = make([]byte, p.size())
	}
}

// liveBytes is what the last collection found in use.
func liveBytes() int {
	s := [1]metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s[:])
	if s[0].Value.Kind() != metrics.KindUint64 {
		return math.MaxInt
	}
	return int(s[0].Value.Uint64())
}

func (p *pacer) roomy() bool { return debug.SetMemoryLimit(-1) >= roomyShare*int64(p.size()) }
