// Package otel compares what contrib/otel reports with what grpc-go's stats/opentelemetry does.
package otel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

const config = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.005s","maxBackoff":"0.005s",
	"backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

// report is what one stack reported of a scenario.
type report struct {
	series  map[string]int64  // name{labels}: sums of counters and sizes, counts of durations
	shapes  map[string]string // name: kind, unit, bounds
	counts  map[string]uint64 // of the measurements of each histogram
	reader  *metric.ManualReader
	spans   *tracetest.InMemoryExporter
	meters  *metric.MeterProvider
	traces  *sdktrace.TracerProvider
	handled atomic.Int64
}

func newReport() *report {
	r := &report{reader: metric.NewManualReader(), spans: tracetest.NewInMemoryExporter(), series: map[string]int64{}, counts: map[string]uint64{}, shapes: map[string]string{}}
	r.meters = metric.NewMeterProvider(metric.WithReader(r.reader))
	r.traces = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans))
	return r
}

// outcome is the code that the handlers of both stacks end a call with.
func (r *report) outcome(value string) uint32 {
	switch {
	case value == "fail":
		return 5 // NOT_FOUND
	case value == "retry" && r.handled.Add(1) < 3:
		return 14 // UNAVAILABLE
	}
	return 0
}

// caller makes the calls of a scenario: one unary call, or a stream of that many messages.
type caller func(ctx context.Context, method, value string, stream bool) error

func scenario(t *testing.T, call caller) {
	ctx := t.Context()
	for _, value := range []string{"ok", "fail", "retry"} {
		if err := call(ctx, "/test.Store/Get", value, false); (err != nil) != (value == "fail") {
			t.Errorf("%s: %v", value, err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	_ = call(short, "/test.Store/Get", "hang", false)
	cancel()
	if err := call(ctx, "/test.Store/Watch", "0123456789", true); err != nil {
		t.Errorf("stream: %v", err)
	}
}

func (r *report) collect(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		var rm metricdata.ResourceMetrics
		if err := r.reader.Collect(context.Background(), &rm); err != nil {
			t.Fatal(err)
		}
		clear(r.series)
		clear(r.counts)
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				r.add(m)
			}
		}
		// A server reports a call a little later than the client, and one instrument after the
		// other.
		served := []uint64{r.counts["grpc.server.call.duration"], r.counts["grpc.server.call.sent_total_compressed_message_size"],
			r.counts["grpc.server.call.rcvd_total_compressed_message_size"], 0}
		for _, s := range r.spans.GetSpans() {
			if strings.HasPrefix(s.Name, "Recv.") {
				served[3]++
			}
		}
		if slices.Min(served) == 7 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v calls served, want 7: %v", served, r.series)
		}
	}
}

func (r *report) add(m metricdata.Metrics) {
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		r.shapes[m.Name] = fmt.Sprintf("sum %s monotonic=%v %q", m.Unit, d.IsMonotonic, m.Description)
		for _, p := range d.DataPoints {
			r.series[m.Name+"{"+p.Attributes.Encoded(encoder{})+"}"] = p.Value
		}
	case metricdata.Histogram[int64]:
		for _, p := range d.DataPoints {
			r.shapes[m.Name] = fmt.Sprintf("histogram %s %v %q", m.Unit, p.Bounds, m.Description)
			r.series[m.Name+"{"+p.Attributes.Encoded(encoder{})+"}"] = p.Sum
			r.counts[m.Name] += p.Count
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			r.shapes[m.Name] = fmt.Sprintf("histogram %s %v %q", m.Unit, p.Bounds, m.Description)
			r.series[m.Name+"{"+p.Attributes.Encoded(encoder{})+"}"] = int64(p.Count)
			r.counts[m.Name] += p.Count
		}
	}
}

// describe returns the spans that ended, without ids and times: name, kind, parent's name, status,
// attributes and events.
func (r *report) describe() map[string]int {
	names := map[string]string{}
	spans := r.spans.GetSpans()
	for _, s := range spans {
		names[s.SpanContext.SpanID().String()] = s.Name
	}
	all := map[string]int{}
	for _, s := range spans {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %v parent=%q %v", s.Name, s.SpanKind, names[s.Parent.SpanID().String()], s.Status.Code)
		for _, a := range s.Attributes {
			fmt.Fprintf(&b, " %s=%s", a.Key, a.Value.String())
		}
		events := slices.DeleteFunc(s.Events, func(e sdktrace.Event) bool {
			return e.Name == "Delayed LB pick complete" // in both stacks if the connection takes long enough
		})
		for i, e := range events {
			if i == 3 {
				fmt.Fprintf(&b, " and so on, %d in all", len(events)+s.DroppedEvents)
				break
			}
			fmt.Fprintf(&b, " [%s", e.Name)
			for _, a := range e.Attributes {
				fmt.Fprintf(&b, " %s=%s", a.Key, a.Value.String())
			}
			b.WriteString("]")
		}
		all[b.String()]++
	}
	return all
}
