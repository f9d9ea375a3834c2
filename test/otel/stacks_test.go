package otel

import (
	"context"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	experimental "google.golang.org/grpc/experimental/opentelemetry"
	"google.golang.org/grpc/stats/opentelemetry"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/otel"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// encoder writes labels without the target's port, which differs.
type encoder struct{}

var port = regexp.MustCompile(`:\d+`)

func (encoder) ID() attribute.EncoderID { return attribute.EncoderID{} }
func (encoder) Encode(i attribute.Iterator) string {
	var kv []string
	for i.Next() {
		a := i.Attribute()
		kv = append(kv, string(a.Key)+"="+port.ReplaceAllString(a.Value.String(), ":port"))
	}
	return strings.Join(kv, ",")
}

func listen(t *testing.T) net.Listener {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

func runNaru(t *testing.T) *report {
	r := newReport()
	h, err := otel.NewHandler(otel.Config{MeterProvider: r.meters, TracerProvider: r.traces, MessageEvents: true})
	if err != nil {
		t.Fatal(err)
	}
	get := &naru.MethodInfo{FullMethod: "/test.Store/Get"}
	watch := &naru.MethodInfo{FullMethod: "/test.Store/Watch", Kind: naru.KindServerStream}
	srv, err := naru.NewServer(naru.WithStatsHandler(h))
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(&naru.ServiceDesc{Name: "test.Store", Methods: []naru.MethodDesc{
		stub.UnaryHandler(get, func(ctx context.Context, m *text) (*text, error) {
			if m.Value == "hang" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if c := r.outcome(m.Value); c != 0 {
				return nil, status.Error(codes.Code(c), "no")
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
	lis := listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	client, err := naru.NewClient("passthrough:///"+lis.Addr().String(), naru.WithPlaintext(), naru.WithStatsHandler(h), naru.WithServiceConfigJSON(config))
	if err != nil {
		t.Fatal(err)
	}
	scenario(t, func(ctx context.Context, method, value string, stream bool) error {
		if !stream {
			return client.Invoke(ctx, get, wrapperspb.String(value), new(text))
		}
		s, err := stub.NewServerStreamingClient[text](ctx, client, watch, wrapperspb.String(value))
		if err != nil {
			return err
		}
		for _, err := range s.All() {
			if err != nil {
				return err
			}
		}
		return nil
	})
	r.collect(t)
	_ = client.Close()
	_ = srv.Close()
	<-served
	return r
}

func runGRPCGo(t *testing.T) *report {
	r := newReport()
	o := opentelemetry.Options{
		MetricsOptions: opentelemetry.MetricsOptions{MeterProvider: r.meters},
		TraceOptions:   experimental.TraceOptions{TracerProvider: r.traces, TextMapPropagator: w3c},
	}
	srv := grpc.NewServer(opentelemetry.ServerOption(o))
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Store", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: func(_ any, ctx context.Context, dec func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
			m := new(text)
			if err := dec(m); err != nil {
				return nil, err
			}
			h := func(ctx context.Context, _ any) (any, error) {
				if m.Value == "hang" {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				if c := r.outcome(m.Value); c != 0 {
					return nil, grpcstatus.Error(grpccodes.Code(c), "no")
				}
				return m, nil
			}
			if in == nil {
				return h(ctx, m)
			}
			return in(ctx, m, &grpc.UnaryServerInfo{FullMethod: "/test.Store/Get"}, h)
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			m := new(text)
			if err := s.RecvMsg(m); err != nil {
				return err
			}
			for range 1000 {
				if err := s.SendMsg(m); err != nil {
					return err
				}
			}
			return nil
		}}},
	}, nil)
	lis := listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	cc, err := grpc.NewClient("passthrough:///"+lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		opentelemetry.DialOption(o), grpc.WithDefaultServiceConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	scenario(t, func(ctx context.Context, method, value string, stream bool) error {
		if !stream {
			return cc.Invoke(ctx, method, wrapperspb.String(value), new(text), grpc.StaticMethod())
		}
		s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method, grpc.StaticMethod())
		if err != nil {
			return err
		}
		if err := s.SendMsg(wrapperspb.String(value)); err != nil {
			return err
		}
		_ = s.CloseSend()
		for {
			if err := s.RecvMsg(new(text)); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	r.collect(t)
	_ = cc.Close()
	srv.Stop()
	<-served
	return r
}

// known are the differences from grpc-go, each with its reason. A name stands for all of its
// series.
var known = map[string]string{
	"grpc.client.call.retries":     "gRFC A96, which grpc-go 1.85 does not have",
	"grpc.client.call.retry_delay": "as above",
}

// TestMetricsAreGRPCGos: the same scenario gives the same series, values, units, descriptions and
// buckets.
func TestMetricsAreGRPCGos(t *testing.T) {
	ours, theirs := runNaru(t), runGRPCGo(t)
	for name, shape := range theirs.shapes {
		if ours.shapes[name] != shape {
			t.Errorf("%s is\n %s, grpc-go has\n %s", name, ours.shapes[name], shape)
		}
	}
	keys := map[string]bool{}
	for k := range ours.series {
		keys[k] = true
	}
	for k := range theirs.series {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		name, _, _ := strings.Cut(k, "{")
		// The client resets the stream when its deadline passes, and a server may see that or the
		// deadline first.
		racing := strings.Contains(k, "server.call") && (strings.Contains(k, "DEADLINE_EXCEEDED") || strings.Contains(k, "CANCELLED"))
		if known[k] != "" || known[name] != "" || racing {
			continue
		}
		a, ok := ours.series[k]
		b, ok2 := theirs.series[k]
		if a != b || ok != ok2 {
			t.Errorf("%s: naru %d (%v), grpc-go %d (%v)", k, a, ok, b, ok2)
		}
	}
	if len(theirs.shapes) != 9 {
		t.Errorf("grpc-go reports %d instruments, want the nine of gRFC A66", len(theirs.shapes))
	}
}

// TestTracesAreGRPCGos: the same scenario gives the same spans, with the same parents, attributes
// and events.
func TestTracesAreGRPCGos(t *testing.T) {
	ours, theirs := runNaru(t).describe(), runGRPCGo(t).describe()
	if len(theirs) < 8 {
		t.Fatalf("grpc-go has only %d kinds of spans: %v", len(theirs), theirs)
	}
	for _, s := range slices.Sorted(maps.Keys(ours)) {
		if ours[s] != theirs[s] {
			t.Errorf("naru has %d, grpc-go %d: %s", ours[s], theirs[s], s)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(theirs)) {
		if ours[s] == 0 {
			t.Errorf("grpc-go alone has %d: %s", theirs[s], s)
		}
	}
}
