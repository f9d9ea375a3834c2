package otel

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
)

// incoming is the metadata of a server's call as a propagator sees it. It looks for single keys, so
// that the call need not put all of its metadata together.
type incoming struct{ ctx context.Context }

func (c incoming) Get(key string) string {
	if v := c.Values(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values implements propagation.ValuesGetter: "baggage" may come in several fields.
func (c incoming) Values(key string) []string { return metadata.ValueFromIncomingContext(c.ctx, key) }

// Set does nothing: what was received stays as it is.
func (incoming) Set(string, string) {}

func (c incoming) Keys() []string {
	md, _ := metadata.FromIncomingContext(c.ctx)
	return slices.Collect(maps.Keys(md))
}

// outgoing is the metadata added to an attempt as a propagator sees it.
type outgoing stats.AttemptBegun

func (c *outgoing) Get(key string) string {
	for i := 0; i+1 < len(c.Header); i += 2 {
		if strings.EqualFold(c.Header[i], key) {
			return c.Header[i+1]
		}
	}
	return ""
}

func (c *outgoing) Set(key, value string) {
	key = strings.ToLower(key)
	for i := 0; i+1 < len(c.Header); i += 2 {
		if c.Header[i] == key {
			c.Header[i+1] = value
			return
		}
	}
	c.Header = append(c.Header, key, value)
}

func (c *outgoing) Keys() []string {
	var keys []string
	for i := 0; i < len(c.Header); i += 2 {
		keys = append(keys, c.Header[i])
	}
	return keys
}

const traceBinKey = "grpc-trace-bin"

// TraceBin is a propagator for the metadata key "grpc-trace-bin", which OpenCensus used and older
// gRPC programs still send. To accept both, and send both, combine it with the W3C ones
// (propagation.NewCompositeTextMapPropagator).
type TraceBin struct{}

// Inject implements propagation.TextMapPropagator.
func (TraceBin) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	id, span := sc.TraceID(), sc.SpanID()
	// Version 0; field 0: 16 bytes of trace id; field 1: 8 bytes of span id; field 2: 1 byte of
	// flags.
	b := make([]byte, 0, 29)
	b = append(append(b, 0, 0), id[:]...)
	b = append(append(b, 1), span[:]...)
	b = append(b, 2, byte(sc.TraceFlags()))
	c.Set(traceBinKey, string(b))
}

// Extract implements propagation.TextMapPropagator. A value that is malformed is ignored.
func (TraceBin) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	sc, ok := parseTraceBin([]byte(c.Get(traceBinKey)))
	if !ok {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

// Fields implements propagation.TextMapPropagator.
func (TraceBin) Fields() []string { return []string{traceBinKey} }

func parseTraceBin(b []byte) (trace.SpanContext, bool) {
	if len(b) != 29 || b[0] != 0 || b[1] != 0 || b[18] != 1 || b[27] != 2 {
		return trace.SpanContext{}, false
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(b[2:18]), SpanID: trace.SpanID(b[19:27]), TraceFlags: trace.TraceFlags(b[28]), Remote: true,
	})
	return sc, sc.IsValid()
}
