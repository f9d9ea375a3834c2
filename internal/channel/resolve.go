package channel

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
)

// activeResolver is one run of the resolver, from leaving idle to entering it again.
type activeResolver struct {
	ch      *Channel
	cancel  context.CancelFunc
	refresh chan struct{} // capacity 1: asking twice is asking once; never closed
	ended   chan struct{} // closed when Run has returned
	// owned by the event loop
	stopped bool
	config  *serviceconfig.Config // last good one; nil: none came
}

// startResolver runs the resolver. The run before it, if any, has been cancelled; Run is not called
// before that has returned.
func (c *Channel) startResolver(before *activeResolver) {
	ctx, cancel := context.WithCancel(c.ctx)
	a := &activeResolver{ch: c, cancel: cancel, refresh: make(chan struct{}, 1), ended: make(chan struct{})}
	c.active = a
	c.wg.Go(func() {
		defer close(a.ended)
		if before != nil {
			<-before.ended
		}
		c.res.Run(ctx, a)
	})
}

func (c *Channel) stopResolver() {
	if c.active != nil {
		c.active.stopped = true
		c.active.cancel()
	}
}

// refreshNames asks the resolver for fresh names. Called by the event loop.
func (c *Channel) refreshNames() {
	if c.active == nil {
		return
	}
	select {
	case c.active.refresh <- struct{}{}:
	default:
	}
}

// Refresh implements resolver.Watcher.
func (a *activeResolver) Refresh() <-chan struct{} { return a.refresh }

// Wanted implements resolver.Watcher.
func (a *activeResolver) Wanted() bool {
	return !a.ch.sticky.Load() || a.ch.State() != connectivity.Ready
}

// Update implements resolver.Watcher.
func (a *activeResolver) Update(s resolver.State) (err error) {
	a.ch.loop.wait(func() {
		if !a.stopped {
			err = a.update(s)
		}
	})
	return err
}

// Fail implements resolver.Watcher.
func (a *activeResolver) Fail(err error) {
	a.ch.loop.wait(func() {
		if !a.stopped {
			a.fail(&connectivity.Failure{
				Reason: connectivity.NameResolution,
				Text:   fmt.Sprintf("resolving %q failed", a.ch.name),
				Err:    err,
			})
		}
	})
}

func (a *activeResolver) fail(f *connectivity.Failure) {
	c := a.ch
	c.failures.add(f)
	c.logFailure(slog.LevelInfo, "name resolution failed", f)
	c.markResolved() // before the snapshot: whoever waits for both wakes up by the snapshot
	if c.policies.current == nil {
		// Nothing to balance yet: the policy is not known before the first answer.
		c.publish(&snapshot{state: connectivity.TransientFailure, picker: balancer.ErrPicker(f), failure: f})
	} else {
		c.policies.fail(f)
	}
}

// update applies an answer. gRFC A21: an invalid service config is ignored if there was a valid
// one, and fails the update if there was none.
func (a *activeResolver) update(s resolver.State) error {
	c := a.ch
	sc := s.ServiceConfig
	if s.ServiceConfigErr != nil {
		if sc = a.config; sc == nil && c.policies.current == nil {
			return a.failConfig(s.ServiceConfigErr)
		}
		c.logFailure(slog.LevelInfo, "service config rejected",
			&connectivity.Failure{Reason: connectivity.ServiceConfig, Err: s.ServiceConfigErr})
	} else {
		a.config = sc
	}
	if sc == nil {
		sc = c.cfg.ServiceConfig
	}
	if err := sc.Validate(); err != nil { // a resolver may have made it itself
		return a.failConfig(err)
	}
	policy, err := c.policyOf(sc)
	if err != nil {
		return a.failConfig(err)
	}
	if before := c.methods.Load(); before.config != sc {
		c.methods.Store(newMethodTable(sc, c.cfg.MaxAttempts, before))
		c.followConfig(before.config, sc)
	}
	c.markResolved()
	sticky, ok := policy.(balancer.Sticky)
	c.sticky.Store(ok && sticky.Sticky())
	err = c.policies.update(balancer.Update{Endpoints: s.Endpoints, Attributes: s.Attributes, Policy: policy})
	if err == nil {
		err = s.ServiceConfigErr
	}
	return err
}

func (a *activeResolver) failConfig(err error) error {
	f := &connectivity.Failure{
		Reason: connectivity.ServiceConfig,
		Text:   fmt.Sprintf("the service config of %q is not valid", a.ch.name),
		Err:    err,
	}
	a.fail(f)
	return f
}

func (c *Channel) policyOf(sc *serviceconfig.Config) (balancer.Policy, error) {
	if sc.LoadBalancingConfig == nil {
		return c.cfg.Policy, nil
	}
	p, ok := sc.LoadBalancingConfig.(balancer.Policy)
	if !ok {
		return nil, fmt.Errorf("service config of %q: policy %q is not one a client can use (%T)",
			c.name, sc.LoadBalancingConfig.Name(), sc.LoadBalancingConfig)
	}
	return p, nil
}

// followConfig lets connections that are there follow a change of the service config.
func (c *Channel) followConfig(before, now *serviceconfig.Config) {
	for s := range c.subs {
		if !sameService(before.HealthCheckConfig, now.HealthCheckConfig) {
			s.watchHealth()
		}
		s.grow() // there may be room for more connections
	}
}

func sameService(a, b *serviceconfig.HealthCheckConfig) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// markResolved lets calls pass that wait for their method's settings.
func (c *Channel) markResolved() {
	if !c.answered {
		c.answered = true
		close(c.resolved)
	}
}
