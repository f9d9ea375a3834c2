package prometheus

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/stats"
)

// Config says which metrics there are.
type Config struct {
	// GoGRPCPrometheus takes the names and labels of go-grpc-prometheus and of go-grpc-middleware's
	// provider: grpc_server_handled_total{grpc_type,grpc_service,grpc_method,grpc_code} and so on.
	GoGRPCPrometheus bool
	// NativeHistograms makes histograms native ones, beside the classic buckets.
	NativeHistograms bool
	// Buckets are the bounds of durations in seconds. nil: those of gRFC A66, or
	// prometheus.DefBuckets with GoGRPCPrometheus.
	Buckets []float64
	// MaxMethods bounds the methods that labels tell apart; those beyond are "other". 0 or
	// negative: 2000.
	MaxMethods int
	// ConstLabels are added to all metrics.
	ConstLabels prometheus.Labels
}

// A Handler is a stats handler for naru.WithStatsHandler, for any number of servers and clients,
// and a collector of what it was told. Safe for concurrent use.
type Handler struct {
	// immutable
	set        metricSet
	maxMethods int64

	methods sync.Map // by path: *method, never more than maxMethods
	known   atomic.Int64
	other   *method
}

// A metricSet is one of the two sets of metrics.
type metricSet interface {
	prometheus.Collector
	initialize(side stats.Side, m *method)
	serverBegun(m *method)
	serverEnded(m *method, e *stats.CallEnded)
	clientBegun(m *method, target string)
	clientEnded(m *method, target string, e *stats.CallEnded)
	attemptBegun(m *method, target string)
	attemptEnded(m *method, target string, e *stats.AttemptEnded)
}

// method is what labels say of a method.
type method struct {
	full, service, name, kind string
}

// NewHandler returns a handler that has counted nothing yet.
func NewHandler(c Config) *Handler {
	h := &Handler{maxMethods: int64(c.MaxMethods)}
	if h.maxMethods <= 0 {
		h.maxMethods = 2000
	}
	if c.GoGRPCPrometheus {
		h.set = newGoGRPC(&c)
		h.other = &method{full: "other", service: "unknown", name: "unknown", kind: "unary"}
	} else {
		h.set = newGRFC(&c)
		h.other = &method{full: "other"}
	}
	return h
}

// Describe implements prometheus.Collector.
func (h *Handler) Describe(ch chan<- *prometheus.Desc) { h.set.Describe(ch) }

// Collect implements prometheus.Collector.
func (h *Handler) Collect(ch chan<- prometheus.Metric) { h.set.Collect(ch) }

// InitializeServer makes the series of a server's methods, which so are 0 from the start: a rate is
// then right from the first call on, and an alert on a ratio has both of its parts.
func (h *Handler) InitializeServer(services ...*naru.ServiceDesc) {
	for _, s := range services {
		for i := range s.Methods {
			info := s.Methods[i].Info
			h.set.initialize(stats.Server, h.method(info.FullMethod, info.Kind.ClientStreams(), info.Kind.ServerStreams()))
		}
	}
}

// Wants implements stats.Handler.
func (h *Handler) Wants() stats.Group { return stats.Calls | stats.Attempts }

func (h *Handler) method(path string, clientStreams, serverStreams bool) *method {
	if m, ok := h.methods.Load(path); ok {
		return m.(*method)
	}
	if h.known.Load() >= h.maxMethods {
		return h.other
	}
	m := &method{full: strings.TrimPrefix(path, "/")}
	m.service, m.name = m.full, ""
	if i := strings.LastIndexByte(m.full, '/'); i >= 0 {
		m.service, m.name = m.full[:i], m.full[i+1:]
	}
	switch {
	case clientStreams && serverStreams:
		m.kind = "bidi_stream"
	case clientStreams:
		m.kind = "client_stream"
	case serverStreams:
		m.kind = "server_stream"
	default:
		m.kind = "unary"
	}
	v, loaded := h.methods.LoadOrStore(path, m)
	if !loaded && h.known.Add(1) > h.maxMethods {
		h.methods.Delete(path)
		return h.other
	}
	return v.(*method)
}

// BeginCall implements stats.Handler.
func (h *Handler) BeginCall(ctx context.Context, b *stats.CallBegun) (context.Context, stats.Observer) {
	m := h.other
	if b.Registered {
		m = h.method(b.Method, b.ClientStreams, b.ServerStreams)
	}
	if b.Side == stats.Server {
		h.set.serverBegun(m)
		return ctx, stats.ObserverFunc(func(e stats.Event) {
			if e, ok := e.(*stats.CallEnded); ok {
				h.set.serverEnded(m, e)
			}
		})
	}
	target := b.Target
	h.set.clientBegun(m, target)
	return ctx, stats.ObserverFunc(func(e stats.Event) {
		switch e := e.(type) {
		case *stats.AttemptBegun:
			h.set.attemptBegun(m, target)
		case *stats.AttemptEnded:
			h.set.attemptEnded(m, target, e)
		case *stats.CallEnded:
			h.set.clientEnded(m, target, e)
		}
	})
}

// histogram is a histogram as Config has it.
func (c *Config) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	o := prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets, ConstLabels: c.ConstLabels}
	if c.NativeHistograms {
		o.NativeHistogramBucketFactor = 1.1
		o.NativeHistogramMaxBucketNumber = 100
	}
	return prometheus.NewHistogramVec(o, labels)
}

func (c *Config) counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: c.ConstLabels}, labels)
}

// goNames are the codes as grpc-go writes them.
var goNames = [...]string{"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
	"PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
	"DataLoss", "Unauthenticated"}

func goName(c codes.Code) string {
	if int(c) < len(goNames) {
		return goNames[c]
	}
	return "Unknown"
}
