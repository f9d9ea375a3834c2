package otel

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// spanName is as in gRFC A72: "Sent.<method name>" with dots for slashes.
func spanName(prefix, method string) string { return prefix + strings.ReplaceAll(method, "/", ".") }

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
	h      *handler
	ctx    context.Context
	span   trace.Span // nil: no traces
	method string
}

func (h *handler) beginServer(ctx context.Context, method string, b *stats.CallBegun) (context.Context, stats.Observer) {
	c := &serverCall{h: h, method: method}
	if h.tracer != nil {
		md, _ := metadata.FromIncomingContext(ctx)
		ctx = h.propagator.Extract(ctx, carrier(md))
		ctx, c.span = h.tracer.Start(ctx, spanName("Recv.", method), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(b.Began))
	}
	c.ctx = ctx
	if h.metrics != nil {
		h.metrics.serverBegun(ctx, method)
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
		if c.h.metrics != nil {
			c.h.metrics.serverEnded(c.ctx, c.method, e)
		}
		endSpan(c.span, e.Err, e.At)
	}
}

// clientCall observes a client's call.
type clientCall struct {
	h              *handler
	ctx            context.Context
	span           trace.Span // nil: no traces
	method, target string

	mu       sync.Mutex
	sent     []stats.Message // the first maxEvents
	live     []*attempt      // sent and not ended
	resolved bool            // the event of name resolution was added
}

// maxEvents is how many sent messages are remembered for further attempts: as many as an SDK keeps
// of a span's events.
const maxEvents = 128

func (h *handler) beginClient(ctx context.Context, method string, b *stats.CallBegun) (context.Context, stats.Observer) {
	c := &clientCall{h: h, method: method, target: b.Target}
	if h.tracer != nil {
		ctx, c.span = h.tracer.Start(ctx, spanName("Sent.", method), trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(b.Began))
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
		c.mu.Lock()
		if len(c.sent) < maxEvents {
			c.sent = append(c.sent, e.Message)
		}
		for _, a := range c.live {
			addMessage(a.span, "Outbound message", &e.Message)
		}
		c.mu.Unlock()
	case *stats.CallEnded:
		if c.h.metrics != nil {
			c.h.metrics.callEnded(c.ctx, c.method, c.target, e)
		}
		endSpan(c.span, e.Err, e.At)
	}
}

func (c *clientCall) begin(e *stats.AttemptBegun) {
	a := &attempt{call: c, ctx: c.ctx}
	if c.h.metrics != nil {
		c.h.metrics.attemptBegun(c.ctx, c.method, c.target)
	}
	e.Observer = a
	if c.span == nil {
		return
	}
	a.ctx, a.span = c.h.tracer.Start(c.ctx, spanName("Attempt.", c.method), trace.WithTimestamp(e.At), trace.WithAttributes(
		attribute.Int("previous-rpc-attempts", e.Number-1), attribute.Bool("transparent-retry", e.Transparent)))
	md := carrier{}
	c.h.propagator.Inject(a.ctx, md)
	for k, values := range md {
		for _, v := range values {
			e.Add(k, v)
		}
	}
}

// attempt observes one attempt.
type attempt struct {
	call *clientCall
	ctx  context.Context
	span trace.Span // nil: no traces
}

// Observe implements stats.Observer.
func (a *attempt) Observe(e stats.Event) {
	switch e := e.(type) {
	case *stats.Delayed:
		a.delayed(e)
	case *stats.AttemptSent:
		a.sent(e)
	case *stats.AttemptEnded:
		a.call.leave(a)
		if m := a.call.h.metrics; m != nil {
			m.attemptEnded(a.ctx, a.call.method, a.call.target, e)
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

func (c *clientCall) leave(a *attempt) {
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
