package server

import (
	"sync"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// Unfinished holds the calls of a connection that have a deadline and whose handlers have not
// begun: the request is not complete, or waits for its turn. Nothing else would end them, since
// nobody looks at their contexts. One timer serves them all, and is armed again only if calls are
// left when it fires, so that a call that comes and begins at once costs no timer of its own. The
// zero value is ready.
type Unfinished struct {
	// guarded by mu, which is taken under Call.mu
	mu    sync.Mutex
	first *Call // linked through exchange.place
	timer *time.Timer
	at    time.Time // when timer fires; zero: it is not armed
	over  bool
}

// link is the place of a call in an Unfinished list, guarded by its lock.
type link struct {
	next, prev *Call
	in         bool
}

func (u *Unfinished) add(c *Call) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c.place = link{next: u.first, in: true}
	if u.first != nil {
		u.first.place.prev = c
	}
	u.first = c
	u.armLocked(c.deadline)
}

// leaveUnfinished takes the call off the list, if it is on it.
func (c *Call) leaveUnfinished() {
	if c.deadline.IsZero() {
		return
	}
	u := c.runner.Unfinished()
	u.mu.Lock()
	u.removeLocked(c)
	u.mu.Unlock()
}

func (u *Unfinished) removeLocked(c *Call) {
	p := c.place
	if !p.in {
		return
	}
	if p.prev != nil {
		p.prev.place.next = p.next
	} else {
		u.first = p.next
	}
	if p.next != nil {
		p.next.place.prev = p.prev
	}
	c.place = link{}
}

func (u *Unfinished) armLocked(at time.Time) {
	if u.over || !u.at.IsZero() && !at.Before(u.at) {
		return
	}
	u.at = at
	if u.timer == nil {
		u.timer = time.AfterFunc(time.Until(at), u.expire)
		return
	}
	u.timer.Reset(time.Until(at))
}

// Close disarms the timer, when the connection is gone: the calls are told of that by their
// streams.
func (u *Unfinished) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	if u.timer != nil {
		u.timer.Stop()
	}
}

// expire ends the calls whose deadline has passed.
func (u *Unfinished) expire() {
	u.mu.Lock()
	u.at = time.Time{}
	now := time.Now()
	var ended []*Call
	var next time.Time
	for c := u.first; c != nil; {
		after := c.place.next
		switch {
		case !now.Before(c.deadline):
			u.removeLocked(c)
			ended = append(ended, c)
		case next.IsZero() || c.deadline.Before(next):
			next = c.deadline
		}
		c = after
	}
	if !next.IsZero() {
		u.armLocked(next)
	}
	u.mu.Unlock()
	for _, c := range ended {
		c.expire()
	}
}

// expire ends a call whose deadline has passed before its handler began.
func (c *Call) expire() {
	c.mu.Lock()
	stage := c.stage
	if c.closed != nil {
		c.mu.Unlock()
		return // Closed releases it
	}
	if stage == callArriving {
		c.stage = callExpired // what still arrives is handed to nobody
	}
	c.mu.Unlock()
	switch {
	case stage == callArriving:
		c.finish(status.Error(codes.DeadlineExceeded, "the deadline passed before the request was complete"))
	case stage == callDispatched && c.runner.Withdraw(c):
		c.finish(status.Error(codes.DeadlineExceeded, "the deadline passed while the call waited for its turn"))
	}
}
