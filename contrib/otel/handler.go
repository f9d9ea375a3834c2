package otel

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/naru-rpc/naru/stats"
)

const scope = "github.com/naru-rpc/naru/contrib/otel"

// Config says what is reported, and where to.
type Config struct {
	// MeterProvider makes the instruments. nil: no metrics.
	MeterProvider metric.MeterProvider
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
// fails if an instrument cannot be made.
func NewHandler(c Config) (stats.Handler, error) {
	h := &handler{messages: c.MessageEvents, propagator: c.Propagator, maxMethods: int64(c.MaxMethods)}
	if h.maxMethods <= 0 {
		h.maxMethods = 2000
	}
	if h.propagator == nil {
		h.propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	if c.TracerProvider != nil {
		h.tracer = c.TracerProvider.Tracer(scope)
	}
	if c.MeterProvider != nil {
		var err error
		if h.metrics, err = newInstruments(c.MeterProvider.Meter(scope)); err != nil {
			return nil, err
		}
	}
	if h.tracer == nil && h.metrics == nil {
		return nil, errors.New("otel: new handler: neither a MeterProvider nor a TracerProvider is set")
	}
	return h, nil
}

type handler struct {
	// immutable
	tracer     trace.Tracer // nil: no traces
	metrics    *instruments // nil: no metrics
	propagator propagation.TextMapPropagator
	messages   bool
	maxMethods int64

	methods sync.Map // of names that labels tell apart; never more than maxMethods
	known   atomic.Int64
}

// Wants implements stats.Handler.
func (h *handler) Wants() stats.Group {
	g := stats.Calls | stats.Attempts
	if h.messages && h.tracer != nil {
		g |= stats.Messages
	}
	return g
}

// method is the value of the label grpc.method.
func (h *handler) method(c *stats.CallBegun) string {
	if !c.Registered {
		return "other"
	}
	name := strings.TrimPrefix(c.Method, "/")
	if _, ok := h.methods.Load(name); ok {
		return name
	}
	if h.known.Load() >= h.maxMethods {
		return "other"
	}
	if _, loaded := h.methods.LoadOrStore(name, true); !loaded && h.known.Add(1) > h.maxMethods {
		h.methods.Delete(name)
		return "other"
	}
	return name
}

// BeginCall implements stats.Handler.
func (h *handler) BeginCall(ctx context.Context, b *stats.CallBegun) (context.Context, stats.Observer) {
	method := h.method(b)
	if b.Side == stats.Server {
		return h.beginServer(ctx, method, b)
	}
	return h.beginClient(ctx, method, b)
}
