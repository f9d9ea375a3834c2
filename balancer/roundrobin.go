package balancer

import (
	"sync/atomic"

	"github.com/naru-rpc/naru/connectivity"
)

// RoundRobin is the policy "round_robin": every endpoint is kept connected, and calls go to them in
// turn.
type RoundRobin struct {
	// SlowStart lets endpoints that have just connected begin with fewer calls. nil: all are equal.
	SlowStart *SlowStart
}

// Name returns "round_robin".
func (RoundRobin) Name() string { return "round_robin" }

// New returns a balancer for host.
func (RoundRobin) New(host Host) Balancer {
	b := &roundRobin{host: host}
	b.set = endpointSet[struct{}]{host: host, made: func(*endpoint[struct{}]) {}, changed: b.changed}
	return b
}

type roundRobin struct {
	// immutable
	host Host
	// owned by the channel's event loop
	policy RoundRobin
	set    endpointSet[struct{}]
	warm   slowStartTimer
}

func (b *roundRobin) Update(u Update) error {
	b.policy, _ = u.Policy.(RoundRobin)
	return b.set.update(u.Endpoints)
}

func (b *roundRobin) Fail(err error) { b.set.fail(err) }
func (b *roundRobin) ExitIdle()      {} // every endpoint is kept connected anyway
func (b *roundRobin) Close() {
	b.warm.cancel()
	b.set.close()
}

func (b *roundRobin) changed() {
	if b.set.publishNotReady() {
		return
	}
	var pickers []Picker
	var scales []float64
	warming := false
	for _, e := range b.set.list {
		if e.state == connectivity.Ready {
			pickers = append(pickers, e.picker)
			scale := b.policy.SlowStart.scale(b.host.Now().Sub(e.ready))
			scales = append(scales, scale)
			warming = warming || scale < 1
		}
	}
	if warming && len(pickers) > 1 {
		p := &stridePicker{pickers: pickers}
		p.sched.Store(newStride(scales, b.host.Uint64()))
		b.host.Publish(State{State: connectivity.Ready, Picker: p})
		b.warm.arm(b.host, b.changed)
		return
	}
	b.warm.cancel()
	b.host.Publish(State{State: connectivity.Ready, Picker: newRoundRobinPicker(pickers, b.host.Uint64())})
}

// roundRobinPicker gives calls to its pickers in turn.
type roundRobinPicker struct {
	pickers []Picker
	next    atomic.Uint32
}

// newRoundRobinPicker begins anywhere: clients that all begin with the first would load it more.
func newRoundRobinPicker(pickers []Picker, random uint64) *roundRobinPicker {
	p := &roundRobinPicker{pickers: pickers}
	p.next.Store(uint32(random % uint64(len(pickers))))
	return p
}

func (r *roundRobinPicker) Pick(call *CallInfo, p *Pick) error {
	n := r.next.Add(1)
	return r.pickers[n%uint32(len(r.pickers))].Pick(call, p)
}
