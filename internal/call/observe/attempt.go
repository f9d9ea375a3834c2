package observe

import (
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
)

// An Attempt is one attempt of a client's call. Its methods do nothing for nil.
type Attempt struct {
	// immutable after BeginAttempt
	call      *Call
	number    int
	began     time.Time
	before    connectivity.Waits // of the attempts before
	observers []observer
	header    []string

	// guarded by call.mu
	conn  *stats.Conn
	waits connectivity.Waits
	ended bool
}

// Next says why the next attempt will be made.
func (c *Call) Next(why Why) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.next = why
	c.mu.Unlock()
}

// BeginAttempt begins an attempt, before it has a connection. waited is what the call has waited so
// far.
func (c *Call) BeginAttempt(waited connectivity.Waits) *Attempt {
	if c == nil {
		return nil
	}
	now := time.Now()
	c.mu.Lock()
	c.attempts++
	why := c.next
	c.next = Retry
	if c.attempts > 1 {
		c.counts[why]++
		if c.underWay == 0 {
			c.idle += now.Sub(c.idleSince)
		}
	}
	c.underWay++
	a := &Attempt{call: c, number: c.attempts, began: now, before: waited}
	c.mu.Unlock()
	if !c.set.wants.Has(stats.Attempts | stats.Headers) {
		return a
	}
	e := &stats.AttemptBegun{Number: a.number, Transparent: why == Transparent, Hedged: why == Hedge, At: now}
	for _, o := range c.observers {
		own := o
		if o.wants.Has(stats.Attempts) {
			e.Observer = nil
			o.Observe(e)
			if e.Observer != nil {
				own.Observer = e.Observer
			}
		}
		a.observers = append(a.observers, own)
	}
	a.header = valid(e.Header)
	return a
}

// Header is what handlers have added to the metadata.
func (a *Attempt) Header() []string {
	if a == nil {
		return nil
	}
	return a.header
}

// Sent tells that a stream was opened. waited is what the call has waited so far.
func (a *Attempt) Sent(conn *transport.ConnInfo, waited connectivity.Waits) {
	if a == nil {
		return
	}
	c := ConnOf(conn)
	waits := a.since(waited)
	a.call.mu.Lock()
	a.conn, a.waits = c, waits
	a.call.mu.Unlock()
	if waits.Total() > 0 {
		tell(a.observers, stats.Attempts, &stats.Delayed{Number: a.number, Waits: waits})
	}
	tell(a.observers, stats.Attempts, &stats.AttemptSent{Number: a.number, Conn: c, At: time.Now()})
}

func (a *Attempt) since(w connectivity.Waits) connectivity.Waits {
	return connectivity.Waits{
		Resolving:  max(0, w.Resolving-a.before.Resolving),
		Connecting: max(0, w.Connecting-a.before.Connecting),
		Queued:     max(0, w.Queued-a.before.Queued),
	}
}

// Head tells of the response's header. fields are lent.
func (a *Attempt) Head(md func() metadata.MD) {
	if a == nil || !a.call.set.wants.Has(stats.Headers) {
		return
	}
	tell(a.observers, stats.Headers, &stats.HeaderReceived{Number: a.number, Header: md(), At: time.Now()})
}

// End ends the attempt, once. reason nil: it was not needed, because another was chosen.
func (a *Attempt) End(err error, reason func() string) {
	if a == nil {
		return
	}
	now := time.Now()
	c := a.call
	c.mu.Lock()
	if a.ended {
		c.mu.Unlock()
		return
	}
	a.ended = true
	if c.underWay--; c.underWay == 0 {
		c.idleSince = now
	}
	e := &stats.AttemptEnded{Number: a.number, Err: err, Conn: a.conn, Waits: a.waits, At: now, Elapsed: now.Sub(a.began)}
	if a.conn != nil {
		// The messages of the call so far: each attempt is sent all of them, and only the one that
		// is chosen receives any.
		e.Sent = c.sent
		if reason != nil {
			e.Received = c.received
		}
	}
	c.mu.Unlock()
	switch {
	case reason == nil:
		e.Reason = "canceled"
	case err != nil:
		e.Reason = reason()
	}
	tell(a.observers, stats.Attempts, e)
}
