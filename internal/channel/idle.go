package channel

import (
	"time"

	"github.com/naru-rpc/naru/connectivity"
)

// idleTimer gives resolver and connections up when no call needed them for IdleTimeout. Calls do
// not touch it: it compares, twice per IdleTimeout, how many picks there have been.
type idleTimer struct {
	// owned by the event loop
	stop  func()    // nil: not running
	picks uint64    // seen at the last check
	since time.Time // of the first check that saw this number and no call under way
	past  uint64    // picks on connections that are gone
}

func (c *Channel) startIdleTimer() {
	if c.cfg.IdleTimeout < 0 {
		return
	}
	c.idle.picks, c.idle.since = c.totalPicks(), time.Now()
	c.armIdleTimer()
}

func (c *Channel) armIdleTimer() {
	c.idle.stop = c.afterFunc(max(c.cfg.IdleTimeout/2, time.Millisecond), c.checkIdle)
}

func (c *Channel) stopIdleTimer() {
	if c.idle.stop != nil {
		c.idle.stop()
		c.idle.stop = nil
	}
}

func (c *Channel) checkIdle() {
	picks := c.totalPicks()
	if picks != c.idle.picks || c.waiting.Load() > 0 || c.callsUnderWay() {
		c.idle.picks, c.idle.since = picks, time.Now()
	} else if time.Since(c.idle.since) >= c.cfg.IdleTimeout {
		c.enterIdle()
		return
	}
	c.armIdleTimer()
}

func (c *Channel) totalPicks() uint64 {
	n := c.idle.past + c.slow.Load()
	for s := range c.subs {
		for _, t := range s.list() {
			n += t.picks()
		}
	}
	return n
}

func (c *Channel) callsUnderWay() bool {
	for s := range c.subs {
		for _, t := range s.list() {
			if t.calls() > 0 {
				return true
			}
		}
	}
	return len(c.leaving) > 0 // a connection that leaves is there only for its calls
}

func (c *Channel) enterIdle() {
	c.stopIdleTimer()
	c.stopResolver()
	c.policies.close()
	c.publish(&snapshot{state: connectivity.Idle, picker: queuePicker})
	// A call that came between the check and the new picker waits by now, or is served by a
	// connection that ends after it.
	if c.waiting.Load() > 0 {
		c.loop.do(c.exitIdle)
	}
}

// exitIdle makes the channel connect: starts resolver and timer if it was idle, else asks the
// policy.
func (c *Channel) exitIdle() {
	switch {
	case c.done:
	case c.active == nil || c.active.stopped:
		c.publish(&snapshot{state: connectivity.Connecting, picker: queuePicker})
		c.startResolver(c.active)
		c.startIdleTimer()
	default:
		c.policies.exitIdle()
	}
}
