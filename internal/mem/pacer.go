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
// The cost of such a collection is in starting, sweeping and stopping it, not in the few live objects. One
// with thousands of connections has more to look at than a second of small calls leaves behind, several times a second.
//
// So while large messages are decoded, or the collector takes more than holdShare of the work, and live data
// is below the floor, the pacer holds as much again in one object without pointers that nobody touches: the operating
// system gives no memory for it, and the collector runs once for as much garbage or more. It lets go when neither is
// so any more, when the program has live data of its own or asks for a collection, and it does nothing under a memory
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
	// holdShare is how much of the processor time collections that often may take before the floor is held; it is let go
	// when they would take less than dropShare without it. Two marks, so that it does not come and go.
	holdShare = 0.08
	dropShare = 0.04
	// leastHeap is the heap below which the collector does not run (with GOGC=100; others make this an estimate).
	leastHeap = 4 << 20
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
	pace.use()
}

// Watch makes the pacer look at what the collector costs, from now on.
func Watch() { pace.watch() }

// pacer looks at what happened between two collections, at the end of each.
type pacer struct {
	// immutable
	read func() usage
	size func() int // bytes of the floor

	churn    atomic.Int64 // bytes decoded since the last collection
	used     atomic.Bool  // shelves were used since
	watching atomic.Bool  // collected runs after each collection

	// guarded by mu
	mu     sync.Mutex
	floor  []byte
	last   time.Time // the last collection looked at
	before usage     // what it told
	rest   time.Time // since when nobody used shelves; zero: somebody does
}

// usage is what the runtime tells after a collection.
type usage struct {
	live            int     // bytes found in use
	forced          uint64  // collections the program asked for
	collector, work float64 // processor seconds: of the collector, but for what it did while there was nothing else to do; of the program, an estimate that may go back
}

var pace = pacer{read: readUsage, size: sync.OnceValue(func() int { return floorFor(available()) })}

func floorFor(memory uint64) int {
	if memory == 0 {
		return usualFloor
	}
	return int(min(max(memory/floorShare, leastFloor), mostFloor))
}

// use tells that shelves are used.
func (p *pacer) use() {
	if !p.used.Load() {
		p.used.Store(true)
	}
	p.watch()
}

func (p *pacer) watch() {
	if !p.watching.Load() && p.watching.CompareAndSwap(false, true) {
		p.arm()
	}
}

// arm leaves an object that the next collection finds unreachable. It holds a pointer so that it is not
// packed together with others, which would keep it.
func (p *pacer) arm() {
	type sentinel struct{ _ *pacer }
	runtime.AddCleanup(&sentinel{}, func(p *pacer) {
		p.collected(time.Now())
		p.arm()
	}, p)
}

// collected looks at what happened since the last collection.
func (p *pacer) collected(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.read()
	p.setFloor(p.wantsFloor(now, &u))
	p.last, p.before = now, u
	switch {
	case p.used.Swap(false):
		p.rest = time.Time{}
	case p.rest.IsZero():
		p.rest = now
	case now.Sub(p.rest) >= restTime:
		for i := range shelves {
			shelves[i].empty()
		}
	}
}

func (p *pacer) wantsFloor(now time.Time, u *usage) bool {
	churn := p.churn.Swap(0)
	own := u.live - len(p.floor)
	// A program that asks for a collection wants to see, or to be without, what it does not use.
	if now.Sub(p.last) >= churnTime || own >= p.size() || u.forced != p.before.forced || !p.roomy() {
		return false
	}
	if churn >= churnBytes {
		return true
	}
	// With the floor held there are fewer collections: what counts is what they would take without it.
	took := (u.collector - p.before.collector) * float64(u.live) / float64(max(own, leastHeap-own))
	share := holdShare
	if p.floor != nil {
		share = dropShare
	}
	return took > share*(took+max(0, u.work-p.before.work))
}

func (p *pacer) setFloor(hold bool) {
	switch {
	case !hold:
		p.floor = nil
	case p.floor == nil:
		p.floor = make([]byte, p.size())
	}
}

func readUsage() usage {
	s := [...]metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/forced:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/cpu/classes/user:cpu-seconds"},
	}
	metrics.Read(s[:])
	for i := range s {
		if s[i].Value.Kind() == metrics.KindBad {
			return usage{live: math.MaxInt} // a runtime that does not tell: no floor
		}
	}
	return usage{
		live:      int(s[0].Value.Uint64()),
		forced:    s[1].Value.Uint64(),
		collector: s[2].Value.Float64() - s[3].Value.Float64(),
		work:      s[4].Value.Float64(),
	}
}

func (p *pacer) roomy() bool { return debug.SetMemoryLimit(-1) >= roomyShare*int64(p.size()) }
