package channel

import (
	"time"

	"github.com/naru-rpc/naru/connectivity"
)

// Each change of a connection's health makes the balancer publish a picker, which wakes every call
// that waits. A backend decides how often that happens, so that it is bounded: changes are reported
// at once while they are few, and after healthBurst of them the newest one is, every
// healthInterval.
const (
	healthBurst    = 10
	healthInterval = time.Second
)

// healthReport is what a backend, or the end of its Watch call, says of its health.
type healthReport struct {
	state connectivity.State // Ready or TransientFailure
	text  string             // what is wrong, in TransientFailure
	err   error              // of the Watch call that ended, nil otherwise
}

// same reports whether a balancer could not tell one from the other.
func (r *healthReport) same(o *healthReport) bool {
	return r != nil && o != nil && r.state == o.state && r.text == o.text
}

// healthGate bounds the changes of a subConn's health. The zero value is ready. Owned by the event
// loop.
type healthGate struct {
	last *healthReport // reported to the balancer, nil: nothing since the connection was made
	next *healthReport // waits for its time, nil: nothing does
	stop func()        // the timer that reports next
	used int           // changes that count against healthBurst
	at   time.Time     // when used was brought up to date
}

// reportHealth passes r on to the balancer if it says something new: now, or when the limit
// permits.
func (s *subConn) reportHealth(r healthReport) {
	g := &s.gate
	if r.same(g.last) {
		g.hold()
		return
	}
	if g.next == nil && g.allow(time.Now()) {
		s.deliverHealth(&r)
		return
	}
	g.next = &r
	if g.stop == nil {
		g.stop = s.ch.afterFunc(g.wait(time.Now()), func() {
			g.stop = nil
			if r := g.next; r != nil && !s.stopped {
				g.next = nil
				g.allow(time.Now())
				s.deliverHealth(r)
			}
		})
	}
}

func (s *subConn) deliverHealth(r *healthReport) {
	s.gate.last = r
	if r.state != connectivity.TransientFailure {
		s.tellHealth(r.state, nil)
		return
	}
	f := &connectivity.Failure{
		Reason: connectivity.Health, Address: s.addr.String(), Time: time.Now(), Text: r.text, Err: r.err,
	}
	s.ch.failures.add(f)
	s.tellHealth(r.state, f)
}

// allow counts a change and reports whether it may be reported now.
func (g *healthGate) allow(now time.Time) bool {
	n := int(now.Sub(g.at) / healthInterval)
	if n > 0 {
		g.used = max(g.used-n, 0)
		g.at = g.at.Add(time.Duration(n) * healthInterval)
	}
	if g.used == 0 {
		g.at = now
	}
	if g.used >= healthBurst {
		return false
	}
	g.used++
	return true
}

// wait returns the time until the next change may be reported.
func (g *healthGate) wait(now time.Time) time.Duration { return g.at.Add(healthInterval).Sub(now) }

// hold drops what waits to be reported.
func (g *healthGate) hold() {
	g.next = nil
	if g.stop != nil {
		g.stop()
		g.stop = nil
	}
}

// restart forgets what was reported of another connection, but not how often: connections may
// change as well.
func (g *healthGate) restart() {
	g.hold()
	g.last = nil
}
