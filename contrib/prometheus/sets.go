package prometheus

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

var (
	// Bounds of gRFC A66: "Buckets for histograms in default views".
	latencyBounds = []float64{0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008,
		0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10,
		20, 50, 100}
	sizeBounds = []float64{0, 1024, 2048, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456, 1073741824,
		4294967296}
)

// collectors collects several.
type collectors []prometheus.Collector

func (c collectors) Describe(ch chan<- *prometheus.Desc) {
	for _, x := range c {
		x.Describe(ch)
	}
}

func (c collectors) Collect(ch chan<- prometheus.Metric) {
	for _, x := range c {
		x.Collect(ch)
	}
}

// grfc are the metrics of gRFC A66 and A96.
type grfc struct {
	collectors
	serverStarted, attemptStarted                    *prometheus.CounterVec
	serverDuration, serverSent, serverReceived       *prometheus.HistogramVec
	attemptDuration, attemptSent, attemptReceived    *prometheus.HistogramVec
	callDuration, retries, transparent, hedges, idle *prometheus.HistogramVec
}

func newGRFC(c *Config) *grfc {
	seconds := c.Buckets
	if seconds == nil {
		seconds = latencyBounds
	}
	few := []float64{1, 2, 3, 4, 5}
	const m, s, t = "grpc_method", "grpc_status", "grpc_target"
	g := &grfc{
		serverStarted:   c.counter("grpc_server_call_started_total", "Number of server calls started.", m),
		serverDuration:  c.histogram("grpc_server_call_duration_seconds", "End-to-end time taken to complete a call from server transport's perspective.", seconds, m, s),
		serverSent:      c.histogram("grpc_server_call_sent_total_compressed_message_size_bytes", "Compressed message bytes sent per server call.", sizeBounds, m, s),
		serverReceived:  c.histogram("grpc_server_call_rcvd_total_compressed_message_size_bytes", "Compressed message bytes received per server call.", sizeBounds, m, s),
		attemptStarted:  c.counter("grpc_client_attempt_started_total", "Number of client call attempts started.", m, t),
		attemptDuration: c.histogram("grpc_client_attempt_duration_seconds", "End-to-end time taken to complete a client call attempt.", seconds, m, t, s),
		attemptSent:     c.histogram("grpc_client_attempt_sent_total_compressed_message_size_bytes", "Compressed message bytes sent per client call attempt.", sizeBounds, m, t, s),
		attemptReceived: c.histogram("grpc_client_attempt_rcvd_total_compressed_message_size_bytes", "Compressed message bytes received per call attempt.", sizeBounds, m, t, s),
		callDuration:    c.histogram("grpc_client_call_duration_seconds", "Time taken by gRPC to complete an RPC from application's perspective.", seconds, m, t, s),
		retries:         c.histogram("grpc_client_call_retries", "Number of retries during the client call. If there were no retries, 0 is not reported.", few, m, t),
		transparent:     c.histogram("grpc_client_call_transparent_retries", "Number of transparent retries during the client call. If there were no transparent retries, 0 is not reported.", append(few, 10), m, t),
		hedges:          c.histogram("grpc_client_call_hedges", "Number of hedges during the client call. If there were no hedges, 0 is not reported.", few, m, t),
		idle:            c.histogram("grpc_client_call_retry_delay_seconds", "Total time of delay while there is no active attempt during the client call.", seconds, m, t),
	}
	g.collectors = collectors{g.serverStarted, g.serverDuration, g.serverSent, g.serverReceived, g.attemptStarted, g.attemptDuration,
		g.attemptSent, g.attemptReceived, g.callDuration, g.retries, g.transparent, g.hedges, g.idle}
	return g
}

// initialize leaves out grpc_status: 17 codes for each of 50 buckets would be a burden. OK is
// there.
func (g *grfc) initialize(m *method) {
	g.serverStarted.WithLabelValues(m.full)
	g.serverDuration.WithLabelValues(m.full, "OK")
}

func (g *grfc) counts(side stats.Side, m *method, target string) counts {
	if side == stats.Server {
		return &grfcServer{g: g, method: m.full, started: g.serverStarted.WithLabelValues(m.full)}
	}
	return &grfcClient{g: g, method: m.full, target: target, started: g.attemptStarted.WithLabelValues(m.full, target)}
}

// byCode keeps what labels with a status lead to, made when the status is seen first.
type byCode[T any] [codes.Unauthenticated + 1]atomic.Pointer[T]

func (b *byCode[T]) of(err error, create func(code string) *T) *T {
	c := status.Code(err).Canonical()
	if b[c].Load() == nil {
		b[c].CompareAndSwap(nil, create(c.String()))
	}
	return b[c].Load()
}

// sizes are the measurements of a call or an attempt.
type sizes struct{ duration, sent, received prometheus.Observer }

func (s *sizes) observe(elapsed time.Duration, sent, received stats.Count) {
	s.duration.Observe(elapsed.Seconds())
	s.sent.Observe(float64(sent.CompressedBytes()))
	s.received.Observe(float64(received.CompressedBytes()))
}

type grfcServer struct {
	g       *grfc
	method  string
	started prometheus.Counter
	ended   byCode[sizes]
}

func (s *grfcServer) callBegun() { s.started.Inc() }

func (s *grfcServer) callEnded(e *stats.CallEnded) {
	s.ended.of(e.Err, s.sizes).observe(e.Elapsed, e.Sent, e.Received)
}

func (s *grfcServer) sizes(code string) *sizes {
	g := s.g
	return &sizes{g.serverDuration.WithLabelValues(s.method, code), g.serverSent.WithLabelValues(s.method, code), g.serverReceived.WithLabelValues(s.method, code)}
}

func (*grfcServer) attemptBegun()                    {}
func (*grfcServer) attemptEnded(*stats.AttemptEnded) {}

type grfcClient struct {
	g              *grfc
	method, target string
	started        prometheus.Counter
	attempts       byCode[sizes]
	calls          byCode[prometheus.Observer]
}

func (*grfcClient) callBegun()      {}
func (c *grfcClient) attemptBegun() { c.started.Inc() }

func (c *grfcClient) attemptEnded(e *stats.AttemptEnded) {
	c.attempts.of(e.Err, c.sizes).observe(e.Elapsed, e.Sent, e.Received)
}

func (c *grfcClient) sizes(code string) *sizes {
	g := c.g
	return &sizes{g.attemptDuration.WithLabelValues(c.method, c.target, code), g.attemptSent.WithLabelValues(c.method, c.target, code),
		g.attemptReceived.WithLabelValues(c.method, c.target, code)}
}

func (c *grfcClient) call(code string) *prometheus.Observer {
	o := c.g.callDuration.WithLabelValues(c.method, c.target, code)
	return &o
}

func (c *grfcClient) callEnded(e *stats.CallEnded) {
	(*c.calls.of(e.Err, c.call)).Observe(e.Elapsed.Seconds())
	if e.Attempts < 2 {
		return
	}
	for _, n := range []struct {
		of int
		to *prometheus.HistogramVec
	}{{e.Retries, c.g.retries}, {e.TransparentRetries, c.g.transparent}, {e.Hedges, c.g.hedges}} {
		if n.of > 0 {
			n.to.WithLabelValues(c.method, c.target).Observe(float64(n.of))
		}
	}
	c.g.idle.WithLabelValues(c.method, c.target).Observe(e.RetryDelay.Seconds())
}

// goGRPC are the metrics of go-grpc-prometheus.
type goGRPC struct {
	collectors
	server, client side
}

// side is the metrics of one end.
type side struct {
	started, handled, received, sent *prometheus.CounterVec
	seconds                          *prometheus.HistogramVec
}

func newGoGRPC(c *Config) *goGRPC {
	buckets := c.Buckets
	if buckets == nil {
		buckets = prometheus.DefBuckets
	}
	labels := []string{"grpc_type", "grpc_service", "grpc_method"}
	g := &goGRPC{
		server: side{
			started:  c.counter("grpc_server_started_total", "Total number of RPCs started on the server.", labels...),
			handled:  c.counter("grpc_server_handled_total", "Total number of RPCs completed on the server, regardless of success or failure.", append(labels, "grpc_code")...),
			received: c.counter("grpc_server_msg_received_total", "Total number of RPC stream messages received on the server.", labels...),
			sent:     c.counter("grpc_server_msg_sent_total", "Total number of gRPC stream messages sent by the server.", labels...),
			seconds:  c.histogram("grpc_server_handling_seconds", "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.", buckets, labels...),
		},
		client: side{
			started:  c.counter("grpc_client_started_total", "Total number of RPCs started on the client.", labels...),
			handled:  c.counter("grpc_client_handled_total", "Total number of RPCs completed by the client, regardless of success or failure.", append(labels, "grpc_code")...),
			received: c.counter("grpc_client_msg_received_total", "Total number of RPC stream messages received by the client.", labels...),
			sent:     c.counter("grpc_client_msg_sent_total", "Total number of gRPC stream messages sent by the client.", labels...),
			seconds:  c.histogram("grpc_client_handling_seconds", "Histogram of response latency (seconds) of the gRPC until it is finished by the application.", buckets, labels...),
		},
	}
	for _, s := range []*side{&g.server, &g.client} {
		g.collectors = append(g.collectors, s.started, s.handled, s.received, s.sent, s.seconds)
	}
	return g
}

// goCounts are the series of a method.
type goCounts struct {
	side                    *side
	method                  method
	started, received, sent prometheus.Counter
	seconds                 prometheus.Observer
	handled                 byCode[prometheus.Counter]
}

func (g *goGRPC) counts(end stats.Side, m *method, _ string) counts {
	s := &g.server
	if end == stats.Client {
		s = &g.client
	}
	return &goCounts{
		side: s, method: *m,
		started:  s.started.WithLabelValues(m.kind, m.service, m.name),
		received: s.received.WithLabelValues(m.kind, m.service, m.name),
		sent:     s.sent.WithLabelValues(m.kind, m.service, m.name),
		seconds:  s.seconds.WithLabelValues(m.kind, m.service, m.name),
	}
}

func (c *goCounts) callBegun() { c.started.Inc() }

func (c *goCounts) callEnded(e *stats.CallEnded) {
	(*c.handled.of(e.Err, func(string) *prometheus.Counter {
		m := &c.method
		n := c.side.handled.WithLabelValues(m.kind, m.service, m.name, goName(status.Code(e.Err)))
		return &n
	})).Inc()
	c.received.Add(float64(e.Received.Messages))
	c.sent.Add(float64(e.Sent.Messages))
	c.seconds.Observe(e.Elapsed.Seconds())
}

func (*goCounts) attemptBegun()                    {}
func (*goCounts) attemptEnded(*stats.AttemptEnded) {}

// initialize makes all series of a method, those of every code too, as go-grpc-prometheus's
// Register does.
func (g *goGRPC) initialize(m *method) {
	g.counts(stats.Server, m, "")
	for c := range goNames {
		g.server.handled.WithLabelValues(m.kind, m.service, m.name, goName(codes.Code(c)))
	}
}
