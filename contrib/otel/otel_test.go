package otel_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/otel"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

type text = wrapperspb.StringValue

var (
	get   = &naru.MethodInfo{FullMethod: "/test.Store/Get"}
	watch = &naru.MethodInfo{FullMethod: "/test.Store/Watch", Kind: naru.KindServerStream}
)

// bench is a server and a client that report to readers in memory.
type bench struct {
	client *naru.Client
	reader *metric.ManualReader
	spans  *tracetest.InMemoryExporter
	seen   atomic.Pointer[trace.SpanContext] // what the last handler found in its context
}

func newBench(t *testing.T, c otel.Config, opts ...naru.ClientOption) *bench {
	b := &bench{spans: tracetest.NewInMemoryExporter()}
	if c.Producer != nil {
		b.reader = metric.NewManualReader(metric.WithProducer(c.Producer))
	} else {
		b.reader = metric.NewManualReader()
	}
	meters := metric.NewMeterProvider(metric.WithReader(b.reader))
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(b.spans))
	t.Cleanup(func() { _ = meters.Shutdown(context.Background()); _ = traces.Shutdown(context.Background()) })
	c.TracerProvider = traces
	if c.Producer == nil {
		c.MeterProvider = meters
	}
	h, err := otel.NewHandler(c)
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	b.client = narutest.NewServer(t, func(s *naru.Server) {
		s.RegisterService(&naru.ServiceDesc{Name: "test.Store", Methods: []naru.MethodDesc{
			stub.UnaryHandler(get, func(ctx context.Context, m *text) (*text, error) {
				sc := trace.SpanContextFromContext(ctx)
				b.seen.Store(&sc)
				switch {
				case m.Value == "fail":
					return nil, status.Error(codes.NotFound, "no such thing")
				case m.Value == "retry" && calls.Add(1) < 3:
					return nil, status.Error(codes.Unavailable, "not yet")
				case m.Value == "hang":
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return m, nil
			}),
			stub.ServerStreamHandler(watch, func(m *text, s naru.ServerStreamingServer[text]) error {
				for range 1000 {
					if err := s.Send(m); err != nil {
						return err
					}
				}
				return nil
			}),
		}})
	}, naru.WithStatsHandler(h)).Client(append(opts, naru.WithStatsHandler(h))...)
	return b
}

func (b *bench) get(ctx context.Context, s string, opts ...naru.CallOption) error {
	return b.client.Invoke(ctx, get, wrapperspb.String(s), new(text), opts...)
}

func (b *bench) watch(t *testing.T) {
	s, err := stub.NewServerStreamingClient[text](t.Context(), b.client, watch, wrapperspb.String("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1000 {
		t.Fatalf("%d messages", n)
	}
}

var retry = naru.WithRetry(serviceconfig.RetryPolicy{MaxAttempts: 3, InitialBackoff: 5 * time.Millisecond, MaxBackoff: 5 * time.Millisecond,
	BackoffMultiplier: 1, RetryableStatusCodes: []codes.Code{codes.Unavailable}})

// series returns "name{labels} = value" of everything collected: sums of counters and sizes, counts
// of durations.
func (b *bench) series(t *testing.T) (all map[string]int64, instruments map[string]metricdata.Metrics) {
	var rm metricdata.ResourceMetrics
	if err := b.reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	all, instruments = map[string]int64{}, map[string]metricdata.Metrics{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			instruments[m.Name] = m
			add := func(set attribute.Set, v int64) {
				var kv []string
				for _, a := range set.ToSlice() {
					kv = append(kv, strings.TrimPrefix(string(a.Key), "grpc.")+"="+a.Value.String())
				}
				all[m.Name+"{"+strings.Join(kv, ",")+"}"] = v
			}
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Histogram[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, p.Sum)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, int64(p.Count))
				}
			default:
				t.Fatalf("%s is a %T", m.Name, d)
			}
		}
	}
	return all, instruments
}

// settle waits until the server has reported as many calls as it began.
func (b *bench) settle(t *testing.T, calls int64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		all, _ := b.series(t)
		n := int64(0)
		for k, v := range all {
			if strings.HasPrefix(k, "grpc.server.call.duration{") {
				n += v
			}
		}
		if n >= calls {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the server has reported %d calls of %d", n, calls)
		}
	}
}

func (b *bench) scenario(t *testing.T) {
	if err := b.get(t.Context(), "ok"); err != nil {
		t.Fatal(err)
	}
	_ = b.get(t.Context(), "fail")
	if err := b.get(t.Context(), "retry", retry); err != nil {
		t.Fatal(err)
	}
	_ = b.get(t.Context(), "hang", naru.WithTimeout(50*time.Millisecond))
	b.watch(t)
	_ = b.client.Invoke(t.Context(), &naru.MethodInfo{FullMethod: "/no.Such/Method", Generic: true}, wrapperspb.String("x"), new(text))
	b.settle(t, 8)
}

func TestMetrics(t *testing.T) { testMetrics(t, otel.Config{}) }

func TestMetricsOfAProducer(t *testing.T) { testMetrics(t, otel.Config{Producer: otel.NewProducer()}) }

func testMetrics(t *testing.T, c otel.Config) {
	b := newBench(t, c)
	b.scenario(t)
	const m, w, tgt = "method=test.Store/Get", "method=test.Store/Watch", "target=passthrough:///narutest"
	want := map[string]int64{
		"grpc.client.attempt.started{" + m + "," + tgt + "}":                                      6,
		"grpc.client.attempt.started{" + w + "," + tgt + "}":                                      1,
		"grpc.client.attempt.started{method=other," + tgt + "}":                                   1,
		"grpc.client.call.duration{" + m + ",status=OK," + tgt + "}":                              2,
		"grpc.client.call.duration{" + m + ",status=NOT_FOUND," + tgt + "}":                       1,
		"grpc.client.call.duration{method=other,status=UNIMPLEMENTED," + tgt + "}":                1,
		"grpc.client.attempt.duration{" + m + ",status=UNAVAILABLE," + tgt + "}":                  2,
		"grpc.client.attempt.duration{" + m + ",status=DEADLINE_EXCEEDED," + tgt + "}":            1,
		"grpc.client.attempt.sent_total_compressed_message_size{" + m + ",status=OK," + tgt + "}": 4 + 7,
		"grpc.client.attempt.rcvd_total_compressed_message_size{" + w + ",status=OK," + tgt + "}": 12 * 1000,
		"grpc.client.call.retries{" + m + "," + tgt + "}":                                         2,
		"grpc.client.call.retry_delay{" + m + "," + tgt + "}":                                     1,
		"grpc.server.call.started{" + m + "}":                                                     6,
		"grpc.server.call.started{method=other}":                                                  1,
		"grpc.server.call.duration{" + m + ",status=OK}":                                          2,
		"grpc.server.call.duration{" + m + ",status=UNAVAILABLE}":                                 2,
		"grpc.server.call.duration{method=other,status=UNIMPLEMENTED}":                            1,
		"grpc.server.call.sent_total_compressed_message_size{" + w + ",status=OK}":                12 * 1000,
		"grpc.server.call.rcvd_total_compressed_message_size{" + m + ",status=OK}":                4 + 7,
	}
	got, _ := b.series(t)
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			t.Errorf("%s is %d (there: %v), want %d", k, g, ok, v)
		}
	}
	if t.Failed() {
		for _, k := range slices.Sorted(maps.Keys(got)) {
			t.Logf("%s = %d", k, got[k])
		}
	}
}

// TestSeriesAreBounded: names, user agents and metadata that peers make up do not become series.
func TestSeriesAreBounded(t *testing.T) {
	b := newBench(t, otel.Config{MaxMethods: 5}, naru.WithUserAgent(fmt.Sprint("agent-", rand.Int())))
	const calls = 2000
	for i := range calls {
		ctx := metadata.AppendToOutgoingContext(t.Context(), fmt.Sprint("x-", rand.Int()), "v")
		m := &naru.MethodInfo{FullMethod: fmt.Sprintf("/random%d.Service/Method%d", rand.Int(), i), Generic: i%2 == 0}
		_ = b.client.Invoke(ctx, m, wrapperspb.String("x"), new(text))
	}
	b.settle(t, calls)
	got, _ := b.series(t)
	server, client := 0, 0
	for k := range got {
		if strings.HasPrefix(k, "grpc.server.call.started") {
			server++
		}
		if strings.HasPrefix(k, "grpc.client.attempt.started") {
			client++
		}
	}
	if server != 1 || client != 6 {
		t.Errorf("%d methods on the server, %d on the client; want 1 and 6:\n%v", server, client, got)
	}
}

func attrs(kv []attribute.KeyValue) string {
	var s []string
	for _, a := range kv {
		s = append(s, string(a.Key)+"="+a.Value.String())
	}
	return strings.Join(s, " ")
}

func TestTraces(t *testing.T) {
	b := newBench(t, otel.Config{MessageEvents: true})
	if err := b.get(t.Context(), "retry", retry); err != nil {
		t.Fatal(err)
	}
	b.settle(t, 3)
	byName := map[string][]tracetest.SpanStub{}
	for _, s := range b.spans.GetSpans() {
		byName[s.Name] = append(byName[s.Name], s)
	}
	call, attempts, served := byName["Sent.test.Store.Get"], byName["Attempt.test.Store.Get"], byName["Recv.test.Store.Get"]
	if len(call) != 1 || len(attempts) != 3 || len(served) != 3 {
		t.Fatalf("%d spans of the call, %d of attempts, %d of the server; want 1, 3, 3: %v", len(call), len(attempts), len(served), byName)
	}
	if call[0].SpanKind != trace.SpanKindClient || call[0].Status.Code != otelcodes.Ok || call[0].Parent.IsValid() {
		t.Errorf("the call's span: %v %v, parent %v", call[0].SpanKind, call[0].Status, call[0].Parent)
	}
	for i, a := range attempts {
		if want := fmt.Sprintf("previous-rpc-attempts=%d transparent-retry=false", i); attrs(a.Attributes) != want {
			t.Errorf("attempt %d has %q, want %q", i+1, attrs(a.Attributes), want)
		}
		if a.Parent.SpanID() != call[0].SpanContext.SpanID() || a.SpanKind != trace.SpanKindInternal {
			t.Errorf("attempt %d is %v with parent %v", i+1, a.SpanKind, a.Parent)
		}
		if want := otelcodes.Error; i < 2 && (a.Status.Code != want || a.Status.Description != "not yet") {
			t.Errorf("attempt %d ended %v", i+1, a.Status)
		}
		if s := served[i]; s.Parent.SpanID() != a.SpanContext.SpanID() || !s.Parent.IsRemote() || s.SpanKind != trace.SpanKindServer ||
			s.SpanContext.TraceID() != call[0].SpanContext.TraceID() {
			t.Errorf("server span %d is %v with parent %v", i+1, s.SpanKind, s.Parent)
		}
	}
	if got := b.seen.Load(); got.SpanID() != served[2].SpanContext.SpanID() {
		t.Errorf("the handler's context has span %v, want the server's %v", got.SpanID(), served[2].SpanContext.SpanID())
	}
	var events []string
	for _, e := range served[2].Events {
		events = append(events, e.Name+" "+attrs(e.Attributes))
	}
	if want := []string{"Inbound message sequence-number=0 message-size=7", "Outbound message sequence-number=0 message-size=7"}; !slices.Equal(events, want) {
		t.Errorf("events of the server: %q, want %q", events, want)
	}
}

func TestPropagators(t *testing.T) {
	for name, p := range map[string]propagation.TextMapPropagator{
		"W3C": nil, "grpc-trace-bin": otel.TraceBin{},
		"both": propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, otel.TraceBin{}),
	} {
		b := newBench(t, otel.Config{Propagator: p})
		if err := b.get(t.Context(), "ok"); err != nil {
			t.Fatal(err)
		}
		b.settle(t, 1)
		ids := map[trace.TraceID]bool{}
		for _, s := range b.spans.GetSpans() {
			ids[s.SpanContext.TraceID()] = true
		}
		if len(ids) != 1 {
			t.Errorf("%s: client and server are in %d traces, want one", name, len(ids))
		}
	}
}

func TestExemplars(t *testing.T) { testExemplars(t, otel.Config{}) }

func TestExemplarsOfAProducer(t *testing.T) {
	testExemplars(t, otel.Config{Producer: otel.NewProducer()})
}

func testExemplars(t *testing.T, c otel.Config) {
	b := newBench(t, c)
	if err := b.get(t.Context(), "ok"); err != nil {
		t.Fatal(err)
	}
	b.settle(t, 1)
	_, instruments := b.series(t)
	for _, name := range []string{"grpc.server.call.duration", "grpc.client.attempt.duration"} {
		if d := instruments[name].Data.(metricdata.Histogram[float64]); len(d.DataPoints[0].Exemplars) == 0 {
			t.Errorf("%s has no exemplar", name)
		}
	}
}

func FuzzTraceBin(f *testing.F) {
	f.Add([]byte("\x00\x00aaaaaaaaaaaaaaaa\x01bbbbbbbb\x02\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := propagation.MapCarrier{"grpc-trace-bin": string(b)}
		sc := trace.SpanContextFromContext(otel.TraceBin{}.Extract(context.Background(), c))
		if !sc.IsValid() {
			return
		}
		out := propagation.MapCarrier{}
		otel.TraceBin{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), out)
		if out["grpc-trace-bin"] != string(b) {
			t.Errorf("%x became %x", b, out["grpc-trace-bin"])
		}
	})
}

// TestProducerIsAProvider: both make the same of the same values, buckets, extremes and
// descriptions included.
func TestProducerIsAProvider(t *testing.T) {
	reader, p := metric.NewManualReader(), otel.NewProducer()
	both := metric.NewManualReader(metric.WithProducer(p))
	var handlers []stats.Handler
	for _, c := range []otel.Config{{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))}, {Producer: p}} {
		h, err := otel.NewHandler(c)
		if err != nil {
			t.Fatal(err)
		}
		handlers = append(handlers, h)
	}
	metric.NewMeterProvider(metric.WithReader(both)) // a reader without a provider is not asked
	for i, elapsed := range []time.Duration{0, 10 * time.Microsecond, 10001, time.Millisecond, 100 * time.Second, time.Hour} {
		e := &stats.CallEnded{Elapsed: elapsed, Attempts: i, Retries: i, Hedges: 1, RetryDelay: elapsed,
			Sent: stats.Count{Messages: 1, WireBytes: 5 + int64(i)*1024}, Received: stats.Count{Messages: 1, WireBytes: 5}}
		for _, h := range handlers {
			for _, side := range []stats.Side{stats.Server, stats.Client} {
				_, o := h.BeginCall(t.Context(), &stats.CallBegun{Side: side, Method: "/a.B/C", Registered: true, Target: map[stats.Side]string{stats.Client: "x"}[side]})
				o.Observe(e)
			}
		}
	}
	var want, got metricdata.ResourceMetrics
	if err := errors.Join(reader.Collect(t.Context(), &want), both.Collect(t.Context(), &got)); err != nil {
		t.Fatal(err)
	}
	if len(got.ScopeMetrics) != 1 || len(want.ScopeMetrics) != 1 {
		t.Fatalf("%d and %d scopes", len(got.ScopeMetrics), len(want.ScopeMetrics))
	}
	got.ScopeMetrics[0].Scope.SchemaURL = want.ScopeMetrics[0].Scope.SchemaURL
	metricdatatest.AssertEqual(t, want.ScopeMetrics[0], got.ScopeMetrics[0], metricdatatest.IgnoreTimestamp())
}

func TestMetricsTwice(t *testing.T) {
	_, err := otel.NewHandler(otel.Config{MeterProvider: metric.NewMeterProvider(), Producer: otel.NewProducer()})
	if err == nil || !strings.Contains(err.Error(), "choose one") {
		t.Errorf("got %v, want an error that says to choose one", err)
	}
}

func TestNeitherMetricsNorTraces(t *testing.T) {
	if _, err := otel.NewHandler(otel.Config{}); err == nil {
		t.Error("no error")
	}
}
