package balancer

import (
	"time"

	"github.com/naru-rpc/naru/resolver"
)

// OutlierDetection is the policy "outlier_detection_experimental" (gRFC A50) around another: it
// counts how the calls of each endpoint end and takes those that stand out away for a while. Their
// connections stay.
//
// At least one of SuccessRate, FailurePercentage and Latency must be set for anything to be taken
// away. Calls that this side cancelled do not count.
type OutlierDetection struct {
	// Interval is the time between two evaluations of the counts. 0: 10 s. At least 100 ms.
	Interval time.Duration
	// BaseEjection is how long an endpoint is taken away for the first time; the nth time in short
	// succession it is n times as long, up to MaxEjection. 0: 30 s.
	BaseEjection time.Duration
	// MaxEjection bounds it. 0: 300 s, or BaseEjection if that is longer.
	MaxEjection time.Duration
	// MaxPercent is the part of the endpoints that may be away: none is taken when this much is. 0:
	// 10, which lets one go in any list. Negative: none.
	MaxPercent int
	// SuccessRate takes away what stands out from the others; nil: off.
	SuccessRate *SuccessRateEjection
	// FailurePercentage takes away what fails too often; nil: off.
	FailurePercentage *FailurePercentageEjection
	// Latency takes away what is much slower than the others; nil: off. Not in the gRFC.
	Latency *LatencyEjection
	// Child balances between those that are left. nil: round_robin.
	Child Policy
}

// SuccessRateEjection takes an endpoint away whose share of successes is below mean - StdevFactor *
// standard deviation, over all endpoints with enough calls.
type SuccessRateEjection struct {
	// StdevFactor: 0 means 1.9.
	StdevFactor float64
	// Enforcement is the chance in percent that one found is taken away. 0: 100. Negative: never.
	Enforcement int
	// MinHosts is how many endpoints must have had enough calls. 0: 5.
	MinHosts int
	// Volume is how many calls in an interval are enough. 0: 100.
	Volume int
}

// FailurePercentageEjection takes an endpoint away of whose calls more than Threshold percent
// failed.
type FailurePercentageEjection struct {
	// Threshold in percent. 0: 85.
	Threshold float64
	// Enforcement is the chance in percent that one found is taken away. 0: 100. Negative: never.
	Enforcement int
	// MinHosts is how many endpoints must have had enough calls. 0: 5.
	MinHosts int
	// Volume is how many calls in an interval are enough. 0: 50.
	Volume int
}

// LatencyEjection takes an endpoint away whose good unary calls take, on average, Factor times as
// long as the median of the endpoints, and a millisecond more at least.
type LatencyEjection struct {
	// Factor: 0 means 5.
	Factor float64
	// Enforcement is the chance in percent that one found is taken away. 0: 100. Negative: never.
	Enforcement int
	// MinHosts is how many endpoints must have had enough calls. 0: 3: of two nobody knows which
	// one is odd.
	MinHosts int
	// Volume is how many good calls in an interval are enough. 0: 10.
	Volume int
}

// Defaults of gRFC A50; those of latency are ours.
const (
	defaultOutlierInterval = 10 * time.Second
	minOutlierInterval     = 100 * time.Millisecond // ours: a service config must not turn a timer into a loop
	defaultBaseEjection    = 30 * time.Second
	defaultMaxEjection     = 300 * time.Second
	defaultMaxPercent      = 10
	latencySlack           = time.Millisecond
)

func zero[T comparable](v, def T) T {
	var none T
	if v == none {
		return def
	}
	return v
}

func (o OutlierDetection) withDefaults() OutlierDetection {
	o.Interval = max(zero(o.Interval, defaultOutlierInterval), minOutlierInterval)
	o.BaseEjection = zero(o.BaseEjection, defaultBaseEjection)
	o.MaxEjection = zero(o.MaxEjection, max(defaultMaxEjection, o.BaseEjection))
	o.MaxPercent = zero(o.MaxPercent, defaultMaxPercent)
	if s := o.SuccessRate; s != nil {
		o.SuccessRate = &SuccessRateEjection{zero(s.StdevFactor, 1.9), zero(s.Enforcement, 100), zero(s.MinHosts, 5), zero(s.Volume, 100)}
	}
	if f := o.FailurePercentage; f != nil {
		o.FailurePercentage = &FailurePercentageEjection{zero(f.Threshold, 85), zero(f.Enforcement, 100), zero(f.MinHosts, 5), zero(f.Volume, 50)}
	}
	if l := o.Latency; l != nil {
		o.Latency = &LatencyEjection{zero(l.Factor, 5), zero(l.Enforcement, 100), zero(l.MinHosts, 3), zero(l.Volume, 10)}
	}
	if o.Child == nil {
		o.Child = RoundRobin{}
	}
	return o
}

func (o *OutlierDetection) counts() bool {
	return o.SuccessRate != nil || o.FailurePercentage != nil || o.Latency != nil
}

// Name returns "outlier_detection_experimental".
func (OutlierDetection) Name() string { return "outlier_detection_experimental" }

// Sticky tells whether the policy inside is.
func (o OutlierDetection) Sticky() bool {
	s, ok := o.Child.(Sticky)
	return ok && s.Sticky()
}

// New returns a balancer for host.
func (OutlierDetection) New(host Host) Balancer {
	b := &outlierDetection{host: host, byAddr: map[resolver.Address]*watchedEndpoint{}}
	b.child = child{base: host, host: func(h *childHost) Host { return &outlierHost{h, b} }}
	return b
}

type outlierDetection struct {
	// immutable
	host Host
	// owned by the channel's event loop
	policy  OutlierDetection
	child   child
	list    []*watchedEndpoint // in the order of the update
	byAddr  map[resolver.Address]*watchedEndpoint
	started time.Time // when the timer was started; zero: it does not run
	stop    func()
	last    State // last published by the child
}

func (b *outlierDetection) Update(u Update) error {
	p, _ := u.Policy.(OutlierDetection)
	b.policy = p.withDefaults()
	b.takeEndpoints(u.Endpoints)
	b.schedule()
	if b.last.Picker != nil {
		b.publish() // what the picker counts may have changed
	}
	return b.child.update(u, b.policy.Child)
}

// takeEndpoints keeps what is known of endpoints that stay. gRFC A61: an endpoint is the set of its
// addresses.
func (b *outlierDetection) takeEndpoints(eps []resolver.Endpoint) {
	old := map[string]*watchedEndpoint{}
	for _, e := range b.list {
		old[e.key] = e
	}
	b.list = nil
	clear(b.byAddr)
	seen := map[string]bool{}
	for _, ep := range eps {
		key := ep.Key()
		if seen[key] || len(ep.Addresses) == 0 {
			continue
		}
		seen[key] = true
		e := old[key]
		if e == nil {
			e = newWatchedEndpoint(b.host, key)
		}
		b.list = append(b.list, e)
		for _, a := range ep.Addresses {
			b.byAddr[a] = e
		}
	}
}

// schedule starts, moves or stops the timer: gRFC A50, "When a new config is provided".
func (b *outlierDetection) schedule() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
	if !b.policy.counts() {
		b.started = time.Time{}
		for _, e := range b.list {
			e.uneject()
			e.multiplier = 0
		}
		return
	}
	now := b.host.Now()
	if b.started.IsZero() {
		b.started = now
		for _, e := range b.list {
			e.swap()
		}
	}
	b.stop = b.host.AfterFunc(max(0, b.policy.Interval-now.Sub(b.started)), b.sweep)
}

func (b *outlierDetection) Fail(err error) { b.child.fail(err) }
func (b *outlierDetection) ExitIdle()      { b.child.exitIdle() }
func (b *outlierDetection) Close() {
	if b.stop != nil {
		b.stop()
	}
	b.child.close()
}

func (b *outlierDetection) publish() {
	p := b.last.Picker
	if b.policy.counts() {
		p = &outlierPicker{child: p, clock: b.host, timed: b.policy.Latency != nil}
	}
	b.host.Publish(State{State: b.last.State, Picker: p})
}

// outlierHost is the channel as the child sees it.
type outlierHost struct {
	*childHost
	b *outlierDetection
}

func (h *outlierHost) Publish(s State) {
	if !h.closed {
		h.b.last = s
		h.b.publish()
	}
}

func (h *outlierHost) NewSubConn(addr resolver.Address, opts SubConnOptions) SubConn {
	e := h.b.byAddr[addr]
	if e == nil {
		return h.childHost.NewSubConn(addr, opts)
	}
	return e.newSub(h.childHost, addr, opts)
}

// outlierPicker counts how calls end.
type outlierPicker struct {
	child Picker
	clock Clock
	timed bool
}

func (o *outlierPicker) Pick(call *CallInfo, p *Pick) error {
	if err := o.child.Pick(call, p); err != nil {
		return err
	}
	if s := outlierSubOf(p.SubConn); s != nil {
		token := int64(0)
		if o.timed && !call.Streaming {
			token = o.clock.Now().UnixNano()
		}
		p.Watch(s.e, token)
	}
	return nil
}

// outlierSubOf finds this policy's part of what the child picked, which may have wrapped it.
func outlierSubOf(sc SubConn) *outlierSub {
	for {
		switch s := sc.(type) {
		case *outlierSub:
			return s
		case Unwrapper:
			sc = s.Unwrap()
		default:
			return nil
		}
	}
}
