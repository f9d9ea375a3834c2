package otel

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/naru-rpc/naru/stats"
)

const scope = "github.com/naru-rpc/naru/contrib/otel"

// Config says what is reported, and where to.
type Config struct {
	// MeterProvider makes the instruments. nil: no metrics, or those of Producer.
	MeterProvider metric.MeterProvider
	// Producer keeps the metrics itself, in place of a MeterProvider's instruments: for servers and
	// clients that make so many calls that the SDK's measurements count. nil: none.
	Producer *Producer
	// TracerProvider makes the tracer. nil: no traces.
	TracerProvider trace.TracerProvider
	// Propagator carries the trace in metadata. nil: W3C Trace Context and Baggage ("traceparent",
	// "tracestate", "baggage"). TraceBin is for peers that know "grpc-trace-bin".
	Propagator propagation.TextMapPropagator
	// MessageEvents adds an event to a span for each message of the attempt, as gRFC A72 has it. A
	// stream of a million messages has as many events, of which an SDK keeps the last 128.
	MessageEvents bool
	// MaxMethods bounds the methods that labels tell apart; those beyond are "other". 0 or
	// negative: 2000.
	MaxMethods int
}

// NewHandler returns a handler for naru.WithStatsHandler, for any number of servers and clients. It
// fails if an instrument cannot be made, and for a Config that reports nothing, or metrics twice.
func NewHandler(c Config) (stats.Handler, error) {
	h := &handler{messages: c.MessageEvents, propagator: c.Propagator, maxMethods: c.MaxMethods, methods: map[labels]*method{}, names: map[string]bool{}}
	if h.maxMethods <= 0 {
		h.maxMethods = 2000
	}
	if h.propagator == nil {
		h.propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	if c.TracerProvider != nil {
		h.tracer = c.TracerProvider.Tracer(scope)
	}
	switch {
	case c.MeterProvider != nil && c.Producer != nil:
		return nil, errors.New("otel: new handler: a MeterProvider and a Producer are set; choose one, or each call counts twice")
	case c.Producer != nil:
		h.meter = c.Producer
	case c.MeterProvider != nil:
		m, err := newProviderMeter(c.MeterProvider.Meter(scope))
		if err != nil {
			return nil, err
		}
		h.meter = m
	}
	if h.tracer == nil && h.meter == nil {
		return nil, errors.New("otel: new handler: none of MeterProvider, Producer and TracerProvider is set")
	}
	return h, nil
}

type handler struct {
	// immutable
	tracer     trace.Tracer // nil: no traces
	meter      meter        // nil: no metrics
	propagator propagation.TextMapPropagator
	messages   bool
	maxMethods int

	// guarded by mu
	mu      sync.RWMutex
	methods map[labels]*method // by path, not by label
	names   map[string]bool    // paths that labels tell apart; never more than maxMethods
}

// A method is what is the same in all calls of it. Immutable.
type method struct {
	series series // nil: no metrics
	spans  struct{ recv, sent, attempt string }
}

// The kinds of spans, as options.
var (
	serverSpan = trace.WithSpanKind(trace.SpanKindServer)
	clientSpan = trace.WithSpanKind(trace.SpanKindClient)
)

// Wants implements stats.Handler.
func (h *handler) Wants() stats.Group {
	g := stats.Calls | stats.Attempts
	if h.messages && h.tracer != nil {
		g |= stats.Messages
	}
	return g
}

// other is the label of methods that are not told apart.
const other = "other"

// method returns what is known of a call's method.
func (h *handler) method(c *stats.CallBegun) *method {
	l := labels{side: c.Side, method: c.Method, target: c.Target}
	if !c.Registered {
		l.method = other
	}
	h.mu.RLock()
	m := h.methods[l]
	h.mu.RUnlock()
	if m != nil {
		return m
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.names[l.method] && l.method != other {
		if len(h.names) >= h.maxMethods {
			l.method = other
		} else {
			h.names[l.method] = true
		}
	}
	if m = h.methods[l]; m == nil {
		m = h.newMethod(l)
		h.methods[l] = m
	}
	return m
}

func (h *handler) newMethod(l labels) *method {
	l.method = strings.TrimPrefix(l.method, "/")
	m := new(method)
	// gRFC A72: "Sent.<method name>" with dots for slashes.
	name := strings.ReplaceAll(l.method, "/", ".")
	m.spans.recv, m.spans.sent, m.spans.attempt = "Recv."+name, "Sent."+name, "Attempt."+name
	if h.meter != nil {
		m.series = h.meter.series(l)
	}
	return m
}

// BeginCall implements stats.Handler.
func (h *handler) BeginCall(ctx context.Context, b *stats.CallBegun) (context.Context, stats.Observer) {
	m := h.method(b)
	if b.Side == stats.Server {
		return h.beginServer(ctx, m, b)
	}
	return h.beginClient(ctx, m)
}
