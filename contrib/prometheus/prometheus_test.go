package prometheus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/prometheus"
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

func service() *naru.ServiceDesc {
	failures := 2
	return &naru.ServiceDesc{Name: "test.Store", Methods: []naru.MethodDesc{
		stub.UnaryHandler(get, func(_ context.Context, m *text) (*text, error) {
			switch {
			case m.Value == "fail":
				return nil, status.Error(codes.NotFound, "no")
			case m.Value == "retry" && failures > 0:
				failures--
				return nil, status.Error(codes.Unavailable, "no")
			}
			return m, nil
		}),
		stub.ServerStreamHandler(watch, func(m *text, s naru.ServerStreamingServer[text]) error {
			for range 10 {
				if err := s.Send(m); err != nil {
					return err
				}
			}
			return nil
		}),
	}}
}

func bench(t *testing.T, c prometheus.Config) (*client.Registry, *prometheus.Handler, *naru.Client) {
	h := prometheus.NewHandler(c)
	r := client.NewPedanticRegistry()
	r.MustRegister(h)
	desc := service()
	h.InitializeServer(desc)
	cc := narutest.NewServer(t, func(s *naru.Server) { s.RegisterService(desc) }, naru.WithStatsHandler(h)).Client(naru.WithStatsHandler(h))
	return r, h, cc
}

func scenario(t *testing.T, cc *naru.Client) {
	retry := naru.WithRetry(serviceconfig.RetryPolicy{MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond,
		BackoffMultiplier: 1, RetryableStatusCodes: []codes.Code{codes.Unavailable}})
	for _, value := range []string{"ok", "fail", "retry"} {
		_ = cc.Invoke(t.Context(), get, wrapperspb.String(value), new(text), retry)
	}
	s, err := stub.NewServerStreamingClient[text](t.Context(), cc, watch, wrapperspb.String("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits for what a server reports a little later than its client has the response.
func eventually(t *testing.T, r *client.Registry, want string, names ...string) {
	t.Helper()
	var err error
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if err = testutil.GatherAndCompare(r, strings.NewReader(want), names...); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestGRFCNames(t *testing.T) {
	r, _, cc := bench(t, prometheus.Config{})
	eventually(t, r, `
# HELP grpc_server_call_started_total Number of server calls started.
# TYPE grpc_server_call_started_total counter
grpc_server_call_started_total{grpc_method="test.Store/Get"} 0
grpc_server_call_started_total{grpc_method="test.Store/Watch"} 0
`, "grpc_server_call_started_total")
	scenario(t, cc)
	eventually(t, r, `
# HELP grpc_client_attempt_started_total Number of client call attempts started.
# TYPE grpc_client_attempt_started_total counter
grpc_client_attempt_started_total{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest"} 5
grpc_client_attempt_started_total{grpc_method="test.Store/Watch",grpc_target="passthrough:///narutest"} 1
# HELP grpc_client_call_retries Number of retries during the client call. If there were no retries, 0 is not reported.
# TYPE grpc_client_call_retries histogram
grpc_client_call_retries_bucket{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest",le="1"} 0
grpc_client_call_retries_bucket{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest",le="2"} 1
grpc_client_call_retries_bucket{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest",le="3"} 1
grpc_client_call_retries_bucket{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest",le="4"} 1
grpc_client_call_retries_bucket{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest",le="5"} 1
grpc_client_call_retries_bucket{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest",le="+Inf"} 1
grpc_client_call_retries_sum{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest"} 2
grpc_client_call_retries_count{grpc_method="test.Store/Get",grpc_target="passthrough:///narutest"} 1
# HELP grpc_server_call_started_total Number of server calls started.
# TYPE grpc_server_call_started_total counter
grpc_server_call_started_total{grpc_method="test.Store/Get"} 5
grpc_server_call_started_total{grpc_method="test.Store/Watch"} 1
`, "grpc_client_attempt_started_total", "grpc_client_call_retries", "grpc_server_call_started_total")
	if problems, err := testutil.GatherAndLint(r); err != nil {
		t.Error(err)
	} else {
		for _, p := range problems {
			if !strings.Contains(p.Text, "total") { // gRFC A66 has "total" in the names of sizes
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
	}
}

func TestGoGRPCPrometheusNames(t *testing.T) {
	r, _, cc := bench(t, prometheus.Config{GoGRPCPrometheus: true})
	if n, err := testutil.GatherAndCount(r, "grpc_server_handled_total"); err != nil || n != 2*17 {
		t.Errorf("%d series of grpc_server_handled_total before the first call, want one for each method and code: %v", n, err)
	}
	scenario(t, cc)
	eventually(t, r, `
# HELP grpc_client_handled_total Total number of RPCs completed by the client, regardless of success or failure.
# TYPE grpc_client_handled_total counter
grpc_client_handled_total{grpc_code="NotFound",grpc_method="Get",grpc_service="test.Store",grpc_type="unary"} 1
grpc_client_handled_total{grpc_code="OK",grpc_method="Get",grpc_service="test.Store",grpc_type="unary"} 2
grpc_client_handled_total{grpc_code="OK",grpc_method="Watch",grpc_service="test.Store",grpc_type="server_stream"} 1
# HELP grpc_server_msg_sent_total Total number of gRPC stream messages sent by the server.
# TYPE grpc_server_msg_sent_total counter
grpc_server_msg_sent_total{grpc_method="Get",grpc_service="test.Store",grpc_type="unary"} 2
grpc_server_msg_sent_total{grpc_method="Watch",grpc_service="test.Store",grpc_type="server_stream"} 10
# HELP grpc_server_started_total Total number of RPCs started on the server.
# TYPE grpc_server_started_total counter
grpc_server_started_total{grpc_method="Get",grpc_service="test.Store",grpc_type="unary"} 5
grpc_server_started_total{grpc_method="Watch",grpc_service="test.Store",grpc_type="server_stream"} 1
`, "grpc_client_handled_total", "grpc_server_msg_sent_total", "grpc_server_started_total")
}

func TestSeriesAreBounded(t *testing.T) {
	for _, old := range []bool{false, true} {
		r, _, cc := bench(t, prometheus.Config{GoGRPCPrometheus: old, MaxMethods: 10})
		_, before := count(t, r)
		for i := range 1000 {
			m := &naru.MethodInfo{FullMethod: fmt.Sprintf("/random%d.S/M%d", rand.Int(), i), Generic: i%2 == 0}
			_ = cc.Invoke(t.Context(), m, wrapperspb.String("x"), new(text))
		}
		if _, after := count(t, r); after > before+80 {
			t.Errorf("go-grpc-prometheus %v: %d series before, %d after a thousand names", old, before, after)
		}
	}
}

func count(t *testing.T, r *client.Registry) (families, series int) {
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		series += len(f.GetMetric())
	}
	return len(all), series
}

func TestNativeHistograms(t *testing.T) {
	r, _, cc := bench(t, prometheus.Config{NativeHistograms: true})
	scenario(t, cc)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "grpc_client_call_duration_seconds" && f.GetMetric()[0].GetHistogram().GetSchema() == 0 {
			t.Error("grpc_client_call_duration_seconds is no native histogram")
		}
	}
}

// TestNoAllocations: a call is counted without any, once its method and status were seen.
func TestNoAllocations(t *testing.T) {
	for _, c := range []prometheus.Config{{}, {GoGRPCPrometheus: true}} {
		h := prometheus.NewHandler(c)
		for _, side := range []stats.Side{stats.Server, stats.Client} {
			begun := &stats.CallBegun{Side: side, Method: "/a.B/C", Registered: true}
			attempt, attemptEnded, ended := new(stats.AttemptBegun), new(stats.AttemptEnded), new(stats.CallEnded)
			n := testing.AllocsPerRun(100, func() {
				_, o := h.BeginCall(context.Background(), begun)
				o.Observe(attempt)
				o.Observe(attemptEnded)
				o.Observe(ended)
			})
			if n > 0 {
				t.Errorf("%+v, %v: %v allocations a call, want none", c, side, n)
			}
		}
	}
}
