package observe

import (
	"context"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/stats"
)

// A Call is one call that handlers are told of. Safe for concurrent use after Begin. The events
// that come once per call or attempt lie in it, so that telling of them allocates nothing.
//
// Locks: mu is a leaf; no observer is called under it.
type Call struct {
	// immutable after Begin
	set       *Set
	observers []observer
	inline    [2]observer // what observers are kept in if they fit
	began     time.Time
	begun     bool
	about     stats.CallBegun

	// guarded by mu
	mu             sync.Mutex
	ended          bool
	sent, received stats.Count
	attempts       attempts

	over stats.CallEnded // written by the one End that tells of it
}

// attempts is what a call knows of its attempts.
type attempts struct {
	first     *Attempt // allocated with the call, not begun yet; nil: none
	next      Why      // why the next one is made
	count     int
	counts    [3]int // by Why
	underWay  int
	idleSince time.Time
	idle      time.Duration
}

type observer struct {
	stats.Observer
	wants stats.Group
}

// Why says why an attempt is made.
type Why uint8

// The reasons. The first attempt has none, and counts as a Retry that did not happen.
const (
	Retry Why = iota
	Transparent
	Hedge
)

// Begin begins the call. b's Side, Target, Began and Queued are set here.
func (c *Call) Begin(ctx context.Context, b stats.CallBegun) context.Context {
	b.Side, b.Target, b.Began = c.set.side, c.set.target, c.began
	if b.Side == stats.Server {
		b.Queued = time.Since(c.began)
	}
	c.begun = true
	c.about = b
	c.observers = c.inline[:0]
	for _, h := range c.set.handlers {
		if !h.wants.Has(stats.Calls) {
			continue
		}
		next, o := h.BeginCall(ctx, &c.about)
		if next != nil {
			ctx = next
		}
		if o != nil {
			c.observers = append(c.observers, observer{o, h.wants})
		}
	}
	return ctx
}

// Begun reports whether Begin was called.
func (c *Call) Begun() bool { return c.begun }

func tell(observers []observer, group stats.Group, e stats.Event) {
	for _, o := range observers {
		if o.wants.Has(group) {
			o.Observe(e)
		}
	}
}

// MessageSent implements wire.Meter.
func (c *Call) MessageSent(i wire.MessageInfo) {
	if number := c.count(&c.sent, i); number > 0 {
		tell(c.observers, stats.Messages, &stats.MessageSent{Message: message(number, i)})
	}
}

// MessageReceived implements wire.Meter.
func (c *Call) MessageReceived(i wire.MessageInfo) {
	if number := c.count(&c.received, i); number > 0 {
		tell(c.observers, stats.Messages, &stats.MessageReceived{Message: message(number, i)})
	}
}

// count adds a message to n. It returns the message's number if handlers are told of each, else 0.
func (c *Call) count(n *stats.Count, i wire.MessageInfo) (number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.Messages++
	n.Bytes += int64(i.Size)
	n.WireBytes += int64(i.WireSize)
	if !c.set.wants.Has(stats.Messages) {
		return 0
	}
	return n.Messages
}

func message(number int, i wire.MessageInfo) stats.Message {
	return stats.Message{Number: number, Size: i.Size, WireSize: i.WireSize, Compressed: i.Compressed, At: time.Now()}
}

// End ends the call, once.
func (c *Call) End(err error, reason string) {
	if c == nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	a := &c.attempts
	c.over = stats.CallEnded{
		Err: err, Sent: c.sent, Received: c.received, Attempts: a.count,
		Retries: a.counts[Retry], TransparentRetries: a.counts[Transparent], Hedges: a.counts[Hedge],
		RetryDelay: a.idle, At: now, Elapsed: now.Sub(c.began),
	}
	c.mu.Unlock()
	if err != nil {
		c.over.Reason = reason
	}
	tell(c.observers, stats.Calls, &c.over)
}
