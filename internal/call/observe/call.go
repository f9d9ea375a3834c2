package observe

import (
	"context"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/stats"
)

// A Call is one call that handlers are told of. Safe for concurrent use after Begin.
//
// Locks: mu is a leaf; no observer is called under it.
type Call struct {
	// immutable after Begin
	set       *Set
	observers []observer
	began     time.Time
	begun     bool

	// guarded by mu
	mu             sync.Mutex
	ended          bool
	sent, received stats.Count
	next           Why
	attempts       int
	counts         [3]int // attempts by Why
	underWay       int
	idleSince      time.Time
	idle           time.Duration
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
func (c *Call) Begin(ctx context.Context, b *stats.CallBegun) context.Context {
	b.Side, b.Target, b.Began = c.set.side, c.set.target, c.began
	if b.Side == stats.Server {
		b.Queued = time.Since(c.began)
	}
	c.begun = true
	for _, h := range c.set.handlers {
		if !h.wants.Has(stats.Calls) {
			continue
		}
		next, o := h.BeginCall(ctx, b)
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

// Hooks returns hooks that count messages, around inner, which may be nil.
func (c *Call) Hooks(inner *wire.Hooks) *wire.Hooks {
	h := &wire.Hooks{
		Receive: func(m any, i wire.MessageInfo) error {
			c.message(&c.received, i, false)
			if inner != nil && inner.Receive != nil {
				return inner.Receive(m, i)
			}
			return nil
		},
		Sent: func(i wire.MessageInfo) {
			c.message(&c.sent, i, true)
			if inner != nil && inner.Sent != nil {
				inner.Sent(i)
			}
		},
	}
	if inner != nil {
		h.Send, h.Reply = inner.Send, inner.Reply
	}
	return h
}

func (c *Call) message(n *stats.Count, i wire.MessageInfo, sent bool) {
	c.mu.Lock()
	n.Messages++
	n.Bytes += int64(i.Size)
	n.WireBytes += int64(i.WireSize)
	number := n.Messages
	c.mu.Unlock()
	if !c.set.wants.Has(stats.Messages) {
		return
	}
	m := stats.Message{Number: number, Size: i.Size, WireSize: i.WireSize, Compressed: i.Compressed, At: time.Now()}
	if sent {
		tell(c.observers, stats.Messages, &stats.MessageSent{Message: m})
	} else {
		tell(c.observers, stats.Messages, &stats.MessageReceived{Message: m})
	}
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
	e := &stats.CallEnded{
		Err: err, Sent: c.sent, Received: c.received, Attempts: c.attempts,
		Retries: c.counts[Retry], TransparentRetries: c.counts[Transparent], Hedges: c.counts[Hedge],
		RetryDelay: c.idle, At: now, Elapsed: now.Sub(c.began),
	}
	if err != nil {
		e.Reason = reason
	}
	c.mu.Unlock()
	tell(c.observers, stats.Calls, e)
}
