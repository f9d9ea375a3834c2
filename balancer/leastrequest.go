package balancer

import (
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
)

// LeastRequest is the policy "least_request_experimental" (gRFC A48): of some endpoints drawn at
// random the one with the fewest calls under way is chosen.
//
// Beyond the gRFC it watches how long calls take. A backend that is slow, but has few calls because
// it is slow to finish them, would be given every n-th call all the same; here one that takes more
// than twice as long as another counts as that much more loaded. What was learnt fades within
// seconds, so that it is tried again. Backends of about the same speed are treated alike.
type LeastRequest struct {
	// Choices is how many endpoints are drawn, 2 to 10. 0: 2.
	Choices int
	// IgnoreLatency compares calls under way only.
	IgnoreLatency bool
	// SlowStart lets endpoints that have just connected begin with fewer calls. nil: all are equal.
	SlowStart *SlowStart
}

const (
	defaultChoices = 2
	maxChoices     = 10 // gRFC A48
)

// Name returns "least_request_experimental".
func (LeastRequest) Name() string { return "least_request_experimental" }

// New returns a balancer for host.
func (LeastRequest) New(host Host) Balancer {
	b := &leastRequest{host: host}
	b.set = endpointSet[*requestCount]{
		host:    host,
		made:    func(e *endpoint[*requestCount]) { e.data = &requestCount{clock: host} },
		changed: b.changed,
	}
	return b
}

type leastRequest struct {
	// immutable
	host Host
	// owned by the channel's event loop
	policy LeastRequest
	set    endpointSet[*requestCount]
	warm   slowStartTimer
}

func (b *leastRequest) Update(u Update) error {
	b.policy, _ = u.Policy.(LeastRequest)
	return b.set.update(u.Endpoints)
}

func (b *leastRequest) Fail(err error) { b.set.fail(err) }
func (b *leastRequest) ExitIdle()      {} // every endpoint is kept connected anyway
func (b *leastRequest) Close() {
	b.warm.cancel()
	b.set.close()
}

func (b *leastRequest) changed() {
	if b.set.publishNotReady() {
		return
	}
	p := &leastRequestPicker{clock: b.host, choices: b.policy.Choices, latency: !b.policy.IgnoreLatency}
	if p.choices == 0 {
		p.choices = defaultChoices
	}
	p.choices = min(p.choices, maxChoices)
	warming := false
	for _, e := range b.set.list {
		if e.state == connectivity.Ready {
			scale := b.policy.SlowStart.scale(b.host.Now().Sub(e.ready))
			p.list = append(p.list, countedPicker{e.picker, e.data, scale})
			warming = warming || scale < 1
		}
	}
	b.warm.cancel()
	if warming {
		b.warm.arm(b.host, b.changed)
	}
	b.host.Publish(State{State: connectivity.Ready, Picker: p})
}

// countedPicker is one ready endpoint.
type countedPicker struct {
	picker Picker
	count  *requestCount
	scale  float64 // share of a full one, 1 unless it warms up
}

type leastRequestPicker struct {
	clock   Clock
	list    []countedPicker
	choices int
	latency bool
}

func (l *leastRequestPicker) Pick(call *CallInfo, p *Pick) error {
	c := &l.list[0]
	var now int64
	if l.latency {
		now = l.clock.Now().UnixNano()
	}
	if len(l.list) > 1 {
		c = l.choose(now)
	}
	if err := c.picker.Pick(call, p); err != nil {
		return err
	}
	c.count.active.Add(1)
	if call.Streaming {
		now = 0
	}
	p.Watch(c.count, now)
	return nil
}

// choose draws endpoints and keeps the better of two, again and again.
func (l *leastRequestPicker) choose(now int64) *countedPicker {
	n := uint64(len(l.list))
	rnd := l.clock.Uint64()
	first := rnd % n
	best := &l.list[first]
	if l.choices >= len(l.list) {
		// All of them, beginning anywhere.
		for i := uint64(1); i < n; i++ {
			best = l.better(best, &l.list[(first+i)%n], now)
		}
		return best
	}
	// Drawn without putting back: the same endpoint twice is no choice. Two numbers of 32 bits come
	// out of one draw; a third endpoint needs another.
	drawn := [maxChoices]uint64{first}
	for k := 1; k < l.choices; k++ {
		if k%2 == 1 {
			rnd >>= 32
		} else {
			rnd = l.clock.Uint64()
		}
		i := distinct(rnd%(n-uint64(k)), drawn[:k])
		drawn[k] = i
		best = l.better(best, &l.list[i], now)
	}
	return best
}

// distinct returns the ith of the numbers that are not in taken, and is uniform if i is. taken is
// sorted on the way.
func distinct(i uint64, taken []uint64) uint64 {
	for a := 1; a < len(taken); a++ {
		for b := a; b > 0 && taken[b] < taken[b-1]; b-- {
			taken[b], taken[b-1] = taken[b-1], taken[b]
		}
	}
	for _, t := range taken {
		if i >= t {
			i++
		}
	}
	return i
}

// better returns the one a call is better off with; a at a draw.
func (l *leastRequestPicker) better(a, b *countedPicker, now int64) *countedPicker {
	loadA := float64(a.count.active.Load()+1) / a.scale
	loadB := float64(b.count.active.Load()+1) / b.scale
	if l.latency {
		la, lb := a.count.latency(now), b.count.latency(now)
		// Twice as long is within what chance does to backends that are alike.
		if la > 2*lb && lb > 0 {
			loadA *= la / lb
		} else if lb > 2*la && la > 0 {
			loadB *= lb / la
		}
	}
	if loadB < loadA {
		return b
	}
	return a
}

// requestCount is what is known of an endpoint's calls. It is a Feedback whose token is the time of
// the pick, 0 if the call's duration does not count.
type requestCount struct {
	clock Clock
	// atomic
	active atomic.Int32
	mean   atomic.Int64 // ns, a running mean of how long calls take; 0: not known
	seen   atomic.Int64 // when mean was last updated, ns
}

const (
	// latencyWeight: a running mean over about the last 2^3 calls.
	latencyWeight = 3
	// latencyHalfLife is the time in which what is known of a backend that gets no calls loses half
	// of its value, so that one that was ten times slower is tried again after a quarter of a
	// minute.
	latencyHalfLife = int64(4 * time.Second)
)

// latency is the expected duration of a call in ns, 0 if nothing is known.
func (r *requestCount) latency(now int64) float64 {
	mean := r.mean.Load()
	if idle := now - r.seen.Load(); idle > latencyHalfLife {
		mean >>= min(idle/latencyHalfLife, 62)
	}
	return float64(mean)
}

// Done implements Feedback.
func (r *requestCount) Done(info *DoneInfo, token int64) {
	r.active.Add(-1)
	// A call that failed may have failed fast, and says nothing of how long good ones take.
	if token == 0 || info.Code != codes.OK || !info.Received {
		return
	}
	now := r.clock.Now().UnixNano()
	took := max(now-token, 1)
	mean := r.mean.Load()
	if mean == 0 {
		mean = took
	} else {
		mean += (took - mean) >> latencyWeight
	}
	// Two calls that end in the same moment may overwrite each other's contribution: one of many is
	// lost, and no lock is needed.
	r.mean.Store(max(mean, 1))
	r.seen.Store(now)
}
