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
	before    connectivity.Waits // of the attempts before
	observers []observer
	inline    [2]observer // what observers are kept in if they fit
	header    []string

	// guarded by call.mu
	conn  *stats.Conn
	waits connectivity.Waits
	ended bool

	// written by the goroutine that tells of them, each once
	begun stats.AttemptBegun
	sent  stats.AttemptSent
	over  stats.AttemptEnded
}

// Next says why the next attempt will be made.
func (c *Call) Next(why Why) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.attempts.next = why
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
	a, why := c.newAttemptLocked(now)
	c.mu.Unlock()
	a.before = waited
	a.begun = stats.AttemptBegun{Number: a.number, Transparent: why == Transparent, Hedged: why == Hedge, At: now}
	if !c.set.wants.Has(stats.Attempts | stats.Headers) {
		return a
	}
	a.observers = a.inline[:0]
	for _, o := range c.observers {
		own := o
		if o.wants.Has(stats.Attempts) {
			a.begun.Observer = nil
			o.Observe(&a.begun)
			if a.begun.Observer != nil {
				own.Observer = a.begun.Observer
			}
		}
		a.observers = append(a.observers, own)
	}
	a.header = valid(a.begun.Header)
	return a
}

func (c *Call) newAttemptLocked(now time.Time) (a *Attempt, why Why) {
	s := &c.attempts
	if a = s.first; a == nil {
		a = new(Attempt)
	}
	s.first = nil
	why, s.next = s.next, Retry
	if s.count++; s.count > 1 {
		s.counts[why]++
		if s.underWay == 0 {
			s.idle += now.Sub(s.idleSince)
		}
	}
	s.underWay++
	a.call, a.number = c, s.count
	return a, why
}

// Header is what handlers have added to the metadata.
func (a *Attempt) Header() []string {
	if a == nil {
		return nil
	}
	return a.header
}

// Sent says that a stream was opened. waited is what the call has waited so far.
func (a *Attempt) Sent(conn *transport.ConnInfo, waited connectivity.Waits) {
	if a == nil {
		return
	}
	c := conn.Stats()
	waits := a.since(waited)
	a.call.mu.Lock()
	a.conn, a.waits = c, waits
	a.call.mu.Unlock()
	if waits.Total() > 0 {
		tell(a.observers, stats.Attempts, &stats.Delayed{Number: a.number, Waits: waits})
	}
	a.sent = stats.AttemptSent{Number: a.number, Conn: c, At: time.Now()}
	tell(a.observers, stats.Attempts, &a.sent)
}

func (a *Attempt) since(w connectivity.Waits) connectivity.Waits {
	return connectivity.Waits{
		Resolving:  max(0, w.Resolving-a.before.Resolving),
		Connecting: max(0, w.Connecting-a.before.Connecting),
		Queued:     max(0, w.Queued-a.before.Queued),
	}
}

// WantsHead reports whether Head is of use.
func (a *Attempt) WantsHead() bool { return a != nil && a.call.set.wants.Has(stats.Headers) }

// Head says that the response's header has come.
func (a *Attempt) Head(md metadata.MD) {
	tell(a.observers, stats.Headers, &stats.HeaderReceived{Number: a.number, Header: md, At: time.Now()})
}

// End ends the attempt, once. reason says in one word why if err is not nil.
func (a *Attempt) End(err error, reason string) {
	if err == nil {
		reason = ""
	}
	a.end(err, reason, true)
}

// Lost ends an attempt that is not needed, because another was chosen.
func (a *Attempt) Lost(err error) { a.end(err, "canceled", false) }

func (a *Attempt) end(err error, reason string, chosen bool) {
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
	if c.attempts.underWay--; c.attempts.underWay == 0 {
		c.attempts.idleSince = now
	}
	a.over = stats.AttemptEnded{
		Number: a.number, Err: err, Reason: reason, Conn: a.conn, Waits: a.waits, At: now, Elapsed: now.Sub(a.begun.At),
	}
	if a.conn != nil {
		// The messages of the call so far: each attempt is sent all of them, and only the one that
		// is chosen receives any.
		a.over.Sent = c.sent
		if chosen {
			a.over.Received = c.received
		}
	}
	c.mu.Unlock()
	tell(a.observers, stats.Attempts, &a.over)
}
