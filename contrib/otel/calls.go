package otel

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// unsampled stands for the context of a call that is in no sampled trace: its measurements leave no
// exemplars, and nothing searches the call's own context for a span once more.
var unsampled = context.Background()

// measured is the context that a call's measurements are made with.
func measured(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx
	}
	return unsampled
}

// recorded returns the span, nil if nothing that is written on it is seen by anyone.
func recorded(s trace.Span) trace.Span {
	if s.IsRecording() {
		return s
	}
	return nil
}

// endSpan ends a span with a call's or an attempt's outcome.
func endSpan(s trace.Span, err error, at time.Time) {
	if s == nil {
		return
	}
	if err == nil {
		s.SetStatus(otelcodes.Ok, "")
	} else {
		s.SetStatus(otelcodes.Error, status.Convert(err).Message())
	}
	s.End(trace.WithTimestamp(at))
}

// addMessage adds the event of a message to a span.
func addMessage(s trace.Span, name string, m *stats.Message) {
	if s == nil {
		return
	}
	kv := []attribute.KeyValue{
		attribute.Int("sequence-number", m.Number-1), // grpc-go counts from 0
		attribute.Int("message-size", m.Size),
	}
	if m.Compressed {
		kv = append(kv, attribute.Int("message-size-compressed", m.WireSize-5))
	}
	s.AddEvent(name, trace.WithAttributes(kv...), trace.WithTimestamp(m.At))
}

// serverCall observes a server's call.
type serverCall struct {
	method *method
	ctx    context.Context // of measurements
	span   trace.Span      // nil: none, or not recorded
}

func (h *handler) beginServer(ctx context.Context, m *method, b *stats.CallBegun) (context.Context, stats.Observer) {
	c := &serverCall{method: m}
	if h.tracer != nil {
		ctx = h.propagator.Extract(ctx, incoming{ctx})
		var span trace.Span
		ctx, span = h.tracer.Start(ctx, m.spans.recv, serverSpan, trace.WithTimestamp(b.Began))
		c.span = recorded(span)
	}
	if m.series != nil {
		c.ctx = measured(ctx)
		m.series.started(c.ctx)
	}
	return ctx, c
}

// Observe implements stats.Observer.
func (c *serverCall) Observe(e stats.Event) {
	switch e := e.(type) {
	case *stats.MessageReceived:
		addMessage(c.span, "Inbound message", &e.Message)
	case *stats.MessageSent:
		addMessage(c.span, "Outbound message", &e.Message)
	case *stats.CallEnded:
		if s := c.method.series; s != nil {
			serverEnded(c.ctx, s, e)
		}
		endSpan(c.span, e.Err, e.At)
	}
}

// clientCall observes a client's call.
type clientCall struct {
	// immutable
	h      *handler
	method *method
	ctx    context.Context // with the call's span
	span   trace.Span      // nil: none, or not recorded

	first attempt // most calls have no other

	// guarded by mu
	mu       sync.Mutex
	sent     []stats.Message // the first maxEvents
	live     []*attempt      // sent and not ended, those with a span
	resolved bool            // the event of name resolution was added
}

// maxEvents is how many sent messages are remembered for further attempts: as many as an SDK keeps
// of a span's events.
const maxEvents = 128

func (h *handler) beginClient(ctx context.Context, m *method) (context.Context, stats.Observer) {
	c := &clientCall{h: h, method: m}
	if h.tracer != nil {
		var span trace.Span
		ctx, span = h.tracer.Start(ctx, m.spans.sent, clientSpan)
		c.span = recorded(span)
	}
	c.ctx = ctx
	return ctx, c
}

// Observe implements stats.Observer.
func (c *clientCall) Observe(e stats.Event) {
	switch e := e.(type) {
	case *stats.AttemptBegun:
		c.begin(e)
	case *stats.MessageReceived:
		c.mu.Lock()
		if n := len(c.live); n > 0 {
			addMessage(c.live[n-1].span, "Inbound message", &e.Message)
		}
		c.mu.Unlock()
	case *stats.MessageSent:
		if c.span == nil {
			return
		}
		c.mu.Lock()
		if len(c.sent) < maxEvents {
			c.sent = append(c.sent, e.Message)
		}
		for _, a := range c.live {
			addMessage(a.span, "Outbound message", &e.Message)
		}
		c.mu.Unlock()
	case *stats.CallEnded:
		if s := c.method.series; s != nil {
			callEnded(measured(c.ctx), s, e)
		}
		endSpan(c.span, e.Err, e.At)
	}
}

func (c *clientCall) begin(e *stats.AttemptBegun) {
	a := &c.first
	if e.Number > 1 {
		a = new(attempt)
	}
	a.call = c
	e.Observer = a
	ctx := c.ctx
	if c.span != nil {
		var span trace.Span
		ctx, span = c.h.tracer.Start(ctx, c.method.spans.attempt, trace.WithTimestamp(e.At), trace.WithAttributes(
			attribute.Int("previous-rpc-attempts", e.Number-1), attribute.Bool("transparent-retry", e.Transparent)))
		a.span = recorded(span)
	}
	if s := c.method.series; s != nil {
		a.ctx = measured(ctx)
		s.started(a.ctx)
	}
	if c.h.tracer != nil {
		c.h.propagator.Inject(ctx, (*outgoing)(e))
	}
}

// attempt observes one attempt.
type attempt struct {
	call *clientCall
	ctx  context.Context // of measurements
	span trace.Span      // nil: none, or not recorded
}

// Observe implements stats.Observer.
func (a *attempt) Observe(e stats.Event) {
	switch e := e.(type) {
	case *stats.Delayed:
		a.delayed(e)
	case *stats.AttemptSent:
		a.sent(e)
	case *stats.AttemptEnded:
		a.leave()
		if s := a.call.method.series; s != nil {
			attemptEnded(a.ctx, s, e)
		}
		endSpan(a.span, e.Err, e.At)
	}
}

// sent adds the messages so far: the request is encoded before its attempt, and sent again with the
// next.
func (a *attempt) sent(e *stats.AttemptSent) {
	if a.span == nil || !a.call.h.messages {
		return
	}
	c := a.call
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = append(c.live, a)
	for _, m := range c.sent {
		m.At = e.At
		addMessage(a.span, "Outbound message", &m)
	}
}

func (a *attempt) leave() {
	if a.span == nil {
		return
	}
	c := a.call
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = slices.DeleteFunc(c.live, func(b *attempt) bool { return a == b })
}

func (a *attempt) delayed(e *stats.Delayed) {
	if a.span == nil {
		return
	}
	if e.Waits.Resolving > 0 {
		a.call.mu.Lock()
		first := !a.call.resolved
		a.call.resolved = true
		a.call.mu.Unlock()
		if first {
			a.call.span.AddEvent("Delayed name resolution complete")
		}
	}
	if e.Waits.Connecting+e.Waits.Queued > 0 {
		a.span.AddEvent("Delayed LB pick complete")
	}
}
