package otel

import (
	"context"
	"net"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	experimental "google.golang.org/grpc/experimental/opentelemetry"
	"google.golang.org/grpc/stats/opentelemetry"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/contrib/otel"
	"github.com/naru-rpc/naru/stub"
)

// observed says what is switched on in a measurement.
type observed struct{ metrics, traces, producer bool }

var observations = []struct {
	name string
	observed
}{
	{"off", observed{}},
	{"metrics", observed{metrics: true}},
	{"traces", observed{traces: true}},
	{"both", observed{metrics: true, traces: true}},
	{"producer", observed{producer: true}},
	{"producer and traces", observed{producer: true, traces: true}},
}

// providers returns SDK providers as a program in production has them: no span is exported unless
// one call in a hundred is sampled.
func (o observed) providers() (m *metric.MeterProvider, t *sdktrace.TracerProvider) {
	if o.metrics {
		m = metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	}
	if o.traces {
		t = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01))), sdktrace.WithBatcher(discard{}))
	}
	return m, t
}

// discard is an exporter that sends spans nowhere.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

// echoOf starts a server and a client of one stack on a loopback socket and returns a unary call.
type echoOf func(tb testing.TB, o observed) func(ctx context.Context, req, res *text) error

func naruEcho(tb testing.TB, o observed) func(ctx context.Context, req, res *text) error {
	m, tr := o.providers()
	var server []naru.ServerOption
	client := []naru.ClientOption{naru.WithPlaintext()}
	if o != (observed{}) {
		c := otel.Config{}
		if m != nil {
			c.MeterProvider = m
		}
		if tr != nil {
			c.TracerProvider = tr
		}
		if o.producer {
			c.Producer = otel.NewProducer()
		}
		h, err := otel.NewHandler(c)
		if err != nil {
			tb.Fatal(err)
		}
		server, client = append(server, naru.WithStatsHandler(h)), append(client, naru.WithStatsHandler(h))
	}
	get := &naru.MethodInfo{FullMethod: "/test.Store/Get"}
	srv, err := naru.NewServer(server...)
	if err != nil {
		tb.Fatal(err)
	}
	srv.RegisterService(&naru.ServiceDesc{Name: "test.Store", Methods: []naru.MethodDesc{
		stub.UnaryHandler(get, func(_ context.Context, m *text) (*text, error) { return m, nil }),
	}})
	lis, stop := background(tb, srv.Serve)
	c, err := naru.NewClient("passthrough:///"+lis.Addr().String(), client...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = c.Close()
		_ = srv.Close()
		stop()
	})
	return func(ctx context.Context, req, res *text) error { return c.Invoke(ctx, get, req, res) }
}

func grpcGoEcho(tb testing.TB, o observed) func(ctx context.Context, req, res *text) error {
	m, tr := o.providers()
	var server []grpc.ServerOption
	client := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if o != (observed{}) {
		var c opentelemetry.Options
		if m != nil {
			c.MetricsOptions.MeterProvider = m
		}
		if tr != nil {
			c.TraceOptions = experimental.TraceOptions{TracerProvider: tr, TextMapPropagator: w3c}
		}
		server, client = append(server, opentelemetry.ServerOption(c)), append(client, opentelemetry.DialOption(c))
	}
	srv := grpc.NewServer(server...)
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Store", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			m := new(text)
			return m, dec(m)
		}}},
	}, nil)
	lis, stop := background(tb, srv.Serve)
	cc, err := grpc.NewClient("passthrough:///"+lis.Addr().String(), client...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cc.Close()
		srv.Stop()
		stop()
	})
	return func(ctx context.Context, req, res *text) error {
		return cc.Invoke(ctx, "/test.Store/Get", req, res, grpc.StaticMethod())
	}
}

// background serves until the server is closed; stop waits for that.
func background(tb testing.TB, serve func(net.Listener) error) (lis net.Listener, stop func()) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1) // one value, which nobody may wait for
	go func() { served <- serve(lis) }()
	return lis, func() { <-served }
}

// BenchmarkObserved is what metrics, and traces of which one in a hundred is sampled, cost a call:
// 100 callers on one connection, both ends in this process, both observed.
func BenchmarkObserved(b *testing.B) {
	for _, stack := range []struct {
		name string
		echo echoOf
	}{{"naru", naruEcho}, {"grpc-go", grpcGoEcho}} {
		for _, o := range observations {
			if o.producer && stack.name != "naru" {
				continue
			}
			b.Run(stack.name+"/"+o.name, func(b *testing.B) {
				call := stack.echo(b, o.observed)
				b.ReportAllocs()
				b.SetParallelism(50)
				b.RunParallel(func(pb *testing.PB) {
					req, res := wrapperspb.String("hello"), new(text)
					for pb.Next() {
						if err := call(context.Background(), req, res); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// TestAllocationsObserved bounds what a call allocates beyond one that is not observed, both ends
// together.
func TestAllocationsObserved(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, which shows as allocations")
	}
	allocs := func(o observed) float64 {
		call := naruEcho(t, o)
		req, res := wrapperspb.String("hello"), new(text)
		one := func() {
			if err := call(context.Background(), req, res); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			one() // pools, workers and tables fill up
		}
		return testing.AllocsPerRun(1000, one)
	}
	off := allocs(observed{})
	for _, tt := range []struct {
		observed
		most float64
	}{
		{observed{metrics: true}, 4}, // on each end the events of the call, and the handler's observer
		{observed{producer: true}, 4},
		{observed{metrics: true, traces: true}, 22}, // beside them the SDK's spans, contexts and the text of traceparent
	} {
		if n := allocs(tt.observed) - off; n > tt.most {
			t.Errorf("%+v: %v allocations more than the %v of a call that is not observed, want at most %v", tt.observed, n, off, tt.most)
		}
	}
}
