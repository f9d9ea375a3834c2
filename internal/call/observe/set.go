// Package observe tells stats handlers what happens in the calls of a server or client. A nil *Set,
// *Call or *Attempt tells no one, so that calls ask nothing but whether a pointer is nil. It starts
// no goroutines.
package observe

import (
	"context"
	"time"

	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
)

// A Set is the handlers of a server or client. Immutable.
type Set struct {
	handlers []handler
	wants    stats.Group
	side     stats.Side
	target   string
}

type handler struct {
	stats.Handler
	wants stats.Group
}

// NewSet returns a set of handlers, nil if there are none.
func NewSet(handlers []stats.Handler, side stats.Side, target string) *Set {
	if len(handlers) == 0 {
		return nil
	}
	s := &Set{side: side, target: target}
	for _, h := range handlers {
		g := h.Wants()
		if g.Has(stats.Attempts | stats.Headers | stats.Messages) {
			g |= stats.Calls
		}
		s.handlers = append(s.handlers, handler{h, g})
		s.wants |= g
	}
	return s
}

// Calls reports whether a handler wants to know of calls.
func (s *Set) Calls() bool { return s != nil && s.wants.Has(stats.Calls) }

// Arrive notes the time for a server's call that begins later; nil if no handler wants to know of
// it.
func (s *Set) Arrive() *Call {
	if !s.Calls() {
		return nil
	}
	return &Call{set: s, began: time.Now()}
}

// Begin begins a client's call; nil if no handler wants to know of it.
func (s *Set) Begin(ctx context.Context, b stats.CallBegun) (context.Context, *Call) {
	if !s.Calls() {
		return ctx, nil
	}
	both := &struct {
		call  Call
		first Attempt // most calls have no other
	}{}
	c := &both.call
	c.set, c.began = s, time.Now()
	c.attempts.first = &both.first
	return c.Begin(ctx, b), c
}

// Refused tells of a server's call that ended before it became one.
func (s *Set) Refused(ctx context.Context, b stats.CallBegun, err error) {
	if c := s.Arrive(); c != nil {
		c.Begin(ctx, b)
		c.End(err, "refused")
	}
}

// valid returns the pairs that may be sent.
func valid(pairs []string) []string {
	out := pairs[:0]
	for i := 0; i+1 < len(pairs); i += 2 {
		if metadata.ValidateKey(pairs[i]) == nil && metadata.ValidateValue(pairs[i], pairs[i+1]) == nil {
			out = append(out, pairs[i], pairs[i+1])
		}
	}
	return out
}
