package balancer

import (
	"sync"
	"time"

	"github.com/naru-rpc/naru/connectivity"
)

// WeightedRoundRobin is the policy "weighted_round_robin" (gRFC A58): calls go round in proportion
// to what backends report they can do, qps / (utilization + eps/qps * penalty). Backends that do
// not report get the mean share; if fewer than two do, all are equal.
type WeightedRoundRobin struct {
	// OutOfBand asks for load reports on a stream of their own instead of with each call's
	// trailers.
	OutOfBand bool
	// ReportingPeriod is how often to report out of band. 0: 10 s. At least 100 ms.
	ReportingPeriod time.Duration
	// Blackout is how long a backend must have reported before its weight counts. 0: 10 s.
	// Negative: not at all.
	Blackout time.Duration
	// Expiration is the age at which a report counts no more. 0: 3 min.
	Expiration time.Duration
	// UpdatePeriod is how often weights are worked out. 0: 1 s. At least 100 ms.
	UpdatePeriod time.Duration
	// ErrorPenalty is what a share of errors counts as utilisation. 0: 1. Negative: nothing.
	ErrorPenalty float64
	// SlowStart lets endpoints that have just connected begin with fewer calls (gRFC A100). nil:
	// no.
	SlowStart *SlowStart
}

const (
	defaultBlackout     = 10 * time.Second
	defaultExpiration   = 3 * time.Minute
	defaultUpdatePeriod = time.Second
	minUpdatePeriod     = 100 * time.Millisecond
	defaultReporting    = 10 * time.Second
)

func (w WeightedRoundRobin) withDefaults() WeightedRoundRobin {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&w.Blackout, defaultBlackout)
	set(&w.Expiration, defaultExpiration)
	set(&w.UpdatePeriod, defaultUpdatePeriod)
	set(&w.ReportingPeriod, defaultReporting)
	w.Blackout = max(w.Blackout, 0)
	w.UpdatePeriod = max(w.UpdatePeriod, minUpdatePeriod)
	w.ReportingPeriod = max(w.ReportingPeriod, minUpdatePeriod)
	if w.ErrorPenalty == 0 {
		w.ErrorPenalty = 1
	}
	w.ErrorPenalty = max(w.ErrorPenalty, 0)
	return w
}

// Name returns "weighted_round_robin".
func (WeightedRoundRobin) Name() string { return "weighted_round_robin" }

// New returns a balancer for host.
func (WeightedRoundRobin) New(host Host) Balancer {
	b := &weightedRoundRobin{host: host}
	b.set = endpointSet[*endpointWeight]{
		host: host,
		made: func(e *endpoint[*endpointWeight]) {
			e.data = &endpointWeight{clock: host, penalty: b.policy.ErrorPenalty}
		},
		changed: b.changed,
	}
	return b
}

type weightedRoundRobin struct {
	// immutable
	host Host
	// owned by the channel's event loop
	policy WeightedRoundRobin
	set    endpointSet[*endpointWeight]
	picker *weightedPicker // the one published, nil if none is ready
	stop   func()          // the timer of UpdatePeriod, nil if it does not run
}

func (b *weightedRoundRobin) Update(u Update) error {
	before := b.policy
	p, _ := u.Policy.(WeightedRoundRobin)
	b.policy = p.withDefaults()
	for _, e := range b.set.list {
		e.data.setPenalty(b.policy.ErrorPenalty)
	}
	if before.OutOfBand != b.policy.OutOfBand || before.ReportingPeriod != b.policy.ReportingPeriod {
		var load loadWatch[*endpointWeight]
		if b.policy.OutOfBand {
			load.report = func(e *endpoint[*endpointWeight], r *LoadReport) { e.data.report(r) }
			load.interval = b.policy.ReportingPeriod
		}
		b.set.watchLoad(load)
	}
	return b.set.update(u.Endpoints)
}

func (b *weightedRoundRobin) Fail(err error) { b.set.fail(err) }
func (b *weightedRoundRobin) ExitIdle()      {} // every endpoint is kept connected anyway
func (b *weightedRoundRobin) Close() {
	b.stopTimer()
	b.set.close()
}

func (b *weightedRoundRobin) changed() {
	b.picker = nil
	if b.set.publishNotReady() {
		b.stopTimer()
		return
	}
	p := &weightedPicker{perCall: !b.policy.OutOfBand}
	for _, e := range b.set.list {
		if e.state == connectivity.Ready {
			// A connection that is new begins to report anew.
			e.data.connected(e.ready)
			p.stridePicker.pickers = append(p.stridePicker.pickers, e.picker)
			p.weights = append(p.weights, e.data)
			p.ready = append(p.ready, e.ready)
		}
	}
	b.picker = p
	b.weigh()
	b.host.Publish(State{State: connectivity.Ready, Picker: p})
}

// weigh gives the picker fresh weights, and does so again in a while.
func (b *weightedRoundRobin) weigh() {
	b.stopTimer()
	if b.picker == nil {
		return
	}
	now := b.host.Now()
	weights := make([]float64, len(b.picker.weights))
	known := 0
	for i, w := range b.picker.weights {
		weights[i] = w.weight(now, &b.policy)
		if weights[i] > 0 {
			known++
		}
	}
	mean := fill(weights, known)
	for i := range weights {
		if weights[i] <= 0 {
			weights[i] = mean
		}
		weights[i] *= b.policy.SlowStart.scale(now.Sub(b.picker.ready[i]))
	}
	b.picker.sched.Store(newStride(weights, b.host.Uint64()))
	b.stop = b.host.AfterFunc(b.policy.UpdatePeriod, b.weigh)
}

// fill returns the weight of those whose own is not known. gRFC A58: "When less than two
// subchannels have load info, all subchannels will get the same weight".
func fill(weights []float64, known int) (mean float64) {
	if known < 2 {
		clear(weights)
		return 1
	}
	for _, w := range weights {
		mean += w
	}
	return mean / float64(known)
}

func (b *weightedRoundRobin) stopTimer() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// weightedPicker gives calls out by weight and, unless reports come out of band, listens to their
// trailers.
type weightedPicker struct {
	stridePicker
	weights []*endpointWeight
	ready   []time.Time
	perCall bool
}

func (w *weightedPicker) Pick(call *CallInfo, p *Pick) error {
	i := w.sched.Load().pick()
	if err := w.pickers[i].Pick(call, p); err != nil {
		return err
	}
	if w.perCall {
		p.Watch(w.weights[i], 0)
	}
	return nil
}

// endpointWeight is what a backend reports of itself. gRFC A58, "Subchannel Weights".
type endpointWeight struct {
	clock Clock // immutable

	// guarded by mu (a leaf lock)
	mu            sync.Mutex
	penalty       float64
	value         float64
	lastUpdated   time.Time // of a report that was of use
	nonEmptySince time.Time // of the first such report since ready or expired; zero: none
	readySince    time.Time
}

// Done implements Feedback.
func (e *endpointWeight) Done(info *DoneInfo, _ int64) {
	if info.Load == "" {
		return
	}
	var r LoadReport
	if ParseLoadReport(info.Load, &r) == nil {
		e.report(&r)
	}
}

// maxErrorShare bounds errors per request in a report. More errors than requests are a backend's
// miscount.
const maxErrorShare = 100

func (e *endpointWeight) report(r *LoadReport) {
	utilization := r.Application
	if utilization <= 0 {
		utilization = r.CPU
	}
	if utilization <= 0 || r.QPS <= 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	utilization += min(r.EPS/r.QPS, maxErrorShare) * e.penalty
	now := e.clock.Now()
	if e.nonEmptySince.IsZero() {
		e.nonEmptySince = now
	}
	e.value, e.lastUpdated = max(boundWeight(r.QPS/utilization), minWeight), now
}

func (e *endpointWeight) setPenalty(p float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.penalty = p
}

// connected: "non_empty_since ... is reset when a subchannel comes back to READY".
func (e *endpointWeight) connected(since time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !since.Equal(e.readySince) {
		e.readySince, e.nonEmptySince = since, time.Time{}
	}
}

// weight is GetWeight of gRFC A58.
func (e *endpointWeight) weight(now time.Time, p *WeightedRoundRobin) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lastUpdated.IsZero() || now.Sub(e.lastUpdated) >= p.Expiration {
		e.nonEmptySince = time.Time{}
		return 0
	}
	if p.Blackout > 0 && (e.nonEmptySince.IsZero() || now.Sub(e.nonEmptySince) < p.Blackout) {
		return 0
	}
	return e.value
}
