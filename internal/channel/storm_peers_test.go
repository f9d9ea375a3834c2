package channel

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

// stormResolver says what it was last told to say, at once and after each change.
type stormResolver struct {
	changed chan struct{} // capacity 1: the newest counts

	mu    sync.Mutex
	state resolver.State
	err   error
}

func (r *stormResolver) Scheme() string { return "test" }
func (r *stormResolver) Build(resolver.Target, resolver.Options) (resolver.Resolver, error) {
	return r, nil
}

func (r *stormResolver) set(s resolver.State, err error) {
	r.mu.Lock()
	if err == nil {
		r.state = s
	}
	r.err = err
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *stormResolver) Run(ctx context.Context, w resolver.Watcher) {
	for first := true; ; first = false {
		r.mu.Lock()
		state, err := r.state, r.err
		r.mu.Unlock()
		if err == nil || first { // a resolver that begins has an answer: failing is for later
			_ = w.Update(state) // no endpoints: it has nothing better
		} else {
			w.Fail(err)
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
			return
		}
	}
}

// stormCounts counts what balancers publish, and the picks that have not heard of their end.
type stormCounts struct{ published, open atomic.Int64 }

// stormPolicy is another policy, with counts.
type stormPolicy struct {
	balancer.Policy
	n *stormCounts
}

func (p stormPolicy) New(h balancer.Host) balancer.Balancer {
	return stormBalancer{p.Policy.New(stormHost{h, p.n})}
}

type stormBalancer struct{ balancer.Balancer }

func (b stormBalancer) Update(u balancer.Update) error {
	u.Policy = u.Policy.(stormPolicy).Policy
	return b.Balancer.Update(u)
}

type stormHost struct {
	balancer.Host
	n *stormCounts
}

func (h stormHost) Publish(s balancer.State) {
	h.n.published.Add(1)
	s.Picker = countingPicker{s.Picker, &h.n.open}
	h.Host.Publish(s)
}

// opened answers the watch of a host's health.
func (s *storm) opened(f *fakeStream) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.watches = append(s.net.watches, f)
	go s.net.report(f)
}

// live returns the connections that have not ended.
func (n *fakeNet) live() []*fakeConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.conns), func(c *fakeConn) bool {
		select {
		case <-c.done:
			return true
		default:
			return false
		}
	})
}

func (n *fakeNet) setHealth(addr string, good bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sick == nil {
		n.sick = map[string]bool{}
	}
	n.sick[addr] = !good
	n.watches = slices.DeleteFunc(n.watches, func(f *fakeStream) bool { return f.reset.Load() })
	for _, f := range n.watches {
		if f.conn.addr == addr {
			go n.report(f)
		}
	}
}

// report tells the health of f's host as it is now.
func (n *fakeNet) report(f *fakeStream) {
	f.saying.Lock()
	defer f.saying.Unlock()
	n.mu.Lock()
	msg := serving
	if n.sick[f.conn.addr] {
		msg = notServing
	}
	n.mu.Unlock()
	select {
	case <-f.conn.done:
		return
	default:
	}
	if !f.reset.Load() {
		f.say(msg)
	}
}

// openStream is a call's Open; false: the connection takes none any more.
func (c *fakeConn) openStream() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.draining:
		return false
	default:
		c.open++
		return true
	}
}

func (c *fakeConn) closeStream() {
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
	c.settle()
}

// settle ends a connection that drains when its last stream has.
func (c *fakeConn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.draining:
		if c.open == 0 {
			c.endLocked(&transport.Error{Origin: transport.OriginPeer, Token: "goaway"})
		}
	default:
	}
}
