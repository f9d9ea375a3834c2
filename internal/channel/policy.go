package channel

import (
	"math/rand/v2"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

// policySwitch holds the balancer in force and, after a change of policy, the one that takes over
// as soon as it is of use: calls go on through the old one meanwhile.
type policySwitch struct {
	ch *Channel
	// owned by the event loop
	current, pending *policyHost
}

func (p *policySwitch) newest() *policyHost {
	if p.pending != nil {
		return p.pending
	}
	return p.current
}

func (p *policySwitch) update(u balancer.Update) error {
	h := p.newest()
	if h == nil || h.name != u.Policy.Name() {
		h = p.begin(u.Policy)
	}
	return h.bal.Update(u)
}

// begin makes the balancer of another policy.
func (p *policySwitch) begin(policy balancer.Policy) *policyHost {
	h := &policyHost{ch: p.ch, name: policy.Name(), subs: map[*subConn]struct{}{}}
	h.bal = policy.New(h)
	if p.current == nil {
		p.current = h
		return h
	}
	if p.pending != nil {
		p.pending.close()
	}
	p.pending = h
	return h
}

// published is called when a balancer published a state.
func (p *policySwitch) published(h *policyHost) {
	if h == p.pending && (h.last.State != connectivity.Connecting || p.current.last.State != connectivity.Ready) {
		p.current.close()
		p.current, p.pending = h, nil
	} else if h == p.current && p.pending != nil && h.last.State != connectivity.Ready && p.pending.last.Picker != nil {
		h.close()
		p.current, p.pending = p.pending, nil
	}
	if p.current != h && p.pending == h {
		return // not its turn yet
	}
	p.ch.publishPolicy(p.current.last)
}

func (p *policySwitch) fail(err error) { p.newest().bal.Fail(err) }

func (p *policySwitch) exitIdle() {
	if p.current != nil {
		p.current.bal.ExitIdle()
	}
	if p.pending != nil {
		p.pending.bal.ExitIdle()
	}
}

func (p *policySwitch) close() {
	if p.pending != nil {
		p.pending.close()
	}
	if p.current != nil {
		p.current.close()
	}
	p.current, p.pending = nil, nil
}

// policyHost is the balancer.Host of one balancer.
type policyHost struct {
	// immutable
	ch   *Channel
	name string
	bal  balancer.Balancer
	// owned by the event loop
	last   balancer.State // last published
	posted bool           // an event that makes it known is queued
	subs   map[*subConn]struct{}
	closed bool
}

var _ balancer.Host = (*policyHost)(nil)

func (h *policyHost) close() {
	h.closed = true
	h.bal.Close()
	for s := range h.subs { // a balancer that forgot some leaks nothing
		s.shutdown()
	}
}

func (h *policyHost) NewSubConn(addr resolver.Address, opts balancer.SubConnOptions) balancer.SubConn {
	s := newSubConn(h, addr, opts)
	if h.closed {
		s.stopped = true
		return s
	}
	h.subs[s] = struct{}{}
	h.ch.subs[s] = struct{}{}
	return s
}

func (h *policyHost) Publish(s balancer.State) {
	if h.closed {
		return
	}
	h.last = s
	if h.posted {
		return // the event to come takes the newest
	}
	h.posted = true
	// In an event of its own: the balancer is still at work in this one, and the switch may close
	// it.
	h.ch.loop.do(func() {
		h.posted = false
		if !h.closed {
			h.ch.policies.published(h)
		}
	})
}

func (h *policyHost) Refresh()          { h.ch.refreshNames() }
func (h *policyHost) Target() string    { return h.ch.cfg.Target }
func (h *policyHost) Authority() string { return h.ch.authority }
func (h *policyHost) Now() time.Time    { return time.Now() }
func (h *policyHost) Uint64() uint64    { return rand.Uint64() }

func (h *policyHost) Later(f func()) {
	h.ch.loop.do(func() {
		if !h.closed {
			f()
		}
	})
}

func (h *policyHost) AfterFunc(d time.Duration, f func()) (stop func()) {
	return h.ch.afterFunc(d, func() {
		if !h.closed {
			f()
		}
	})
}

// afterFunc calls f as an event after d unless stop was called, by an event, before. Called by the
// loop.
func (c *Channel) afterFunc(d time.Duration, f func()) (stop func()) {
	stopped := false // owned by the event loop
	t := time.AfterFunc(d, func() {
		c.loop.do(func() {
			if !stopped && !c.done {
				f()
			}
		})
	})
	return func() { stopped = true; t.Stop() }
}

// publishPolicy makes a balancer's state the channel's.
func (c *Channel) publishPolicy(s balancer.State) {
	if c.done {
		return
	}
	snap := &snapshot{state: s.State, picker: s.Picker}
	if s.State == connectivity.TransientFailure {
		if f := c.failures.last.Load(); f != nil {
			snap.failure = f
		}
	}
	c.publish(snap)
	// Calls that came while there was nothing to connect to.
	if s.State == connectivity.Idle && c.waiting.Load() > 0 {
		c.loop.do(c.exitIdle)
	}
}
