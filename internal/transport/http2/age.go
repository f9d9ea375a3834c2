package http2

import (
	"math/rand/v2"
	"time"

	"github.com/naru-rpc/naru/internal/reason"
)

// timers is the timers of a connection, stopped in teardown. conn.mu guards it.
type timers []*time.Timer

func (t *timers) stop() {
	for _, timer := range *t {
		timer.Stop()
	}
}

// timerLocked runs f after d unless the connection ends first.
func (c *conn) timerLocked(d time.Duration, f func()) *time.Timer {
	t := time.AfterFunc(d, f)
	c.timers = append(c.timers, t)
	return t
}

// armLocked has f run after d by the timer at t, which it makes if there is none.
func (c *conn) armLocked(t **time.Timer, d time.Duration, f func()) {
	if *t == nil {
		*t = c.timerLocked(d, f)
	} else {
		(*t).Reset(d)
	}
}

// idleWatch is since when a connection with a ServerConfig.MaxIdle has no stream. conn.mu guards
// it.
type idleWatch struct {
	timer *time.Timer // nil: there is no limit
	since time.Time   // when the last stream ended
}

// began notes that there is no stream.
func (w *idleWatch) began() {
	if w.timer != nil {
		w.since = time.Now()
	}
}

// startAge arms the timers of age and idleness.
func (c *ServerConn) startAge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if d := c.cfg.MaxAge; d > 0 {
		d += time.Duration((rand.Float64()*0.2 - 0.1) * float64(d))
		c.timerLocked(d, func() { c.startDrain(reason.MaxAge, "connection reached its maximum age", c.cfg.MaxAgeGrace) })
	}
	if c.cfg.MaxIdle > 0 {
		c.idle.since = time.Now()
		c.idle.timer = c.timerLocked(c.cfg.MaxIdle, c.idleTick)
	}
}

// idleTick drains a connection that had no stream for MaxIdle.
func (c *ServerConn) idleTick() {
	c.mu.Lock()
	left := c.cfg.MaxIdle
	if c.h.Open() == 0 && c.err == nil {
		left -= time.Since(c.idle.since)
	}
	if left > 0 {
		if c.err == nil {
			c.idle.timer.Reset(left)
		}
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.startDrain(reason.MaxIdle, "connection was idle", 0)
}
