package prometheus

import (
	"context"
	"strings"
	"sync"

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
	maxMethods int

	other method

	// guarded by mu
	mu    sync.RWMutex
	made  map[place]*series
	paths map[string]bool // that labels tell apart; never more than maxMethods
}

// A metricSet is one of the two sets of metrics.
type metricSet interface {
	prometheus.Collector
	// initialize makes the series of a server's method.
	initialize(m *method)
	// counts returns what the calls of a method are counted with, of a server or to one target.
	counts(side stats.Side, m *method, target string) counts
}

// counts are the series of one method. Safe for concurrent use.
type counts interface {
	callBegun()
	callEnded(e *stats.CallEnded)
	attemptBegun()
	attemptEnded(e *stats.AttemptEnded)
}

// place is what series are found by.
type place struct {
	side         stats.Side
	path, target string // path "": of methods that are not told apart
}

// series observes all calls of a place: nothing is kept of a single one.
type series struct{ counts }

// Observe implements stats.Observer.
func (s *series) Observe(e stats.Event) {
	switch e := e.(type) {
	case *stats.AttemptBegun:
		s.attemptBegun()
	case *stats.AttemptEnded:
		s.attemptEnded(e)
	case *stats.CallEnded:
		s.callEnded(e)
	}
}

// method is what labels say of a method.
type method struct {
	full, service, name, kind string
}

// NewHandler returns a handler that has counted nothing yet.
func NewHandler(c Config) *Handler {
	h := &Handler{maxMethods: c.MaxMethods, made: map[place]*series{}, paths: map[string]bool{}}
	if h.maxMethods <= 0 {
		h.maxMethods = 2000
	}
	if c.GoGRPCPrometheus {
		h.set = newGoGRPC(&c)
		h.other = method{full: "other", service: "unknown", name: "unknown", kind: "unary"}
	} else {
		h.set = newGRFC(&c)
		h.other = method{full: "other"}
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
			h.mu.Lock()
			m, _ := h.methodLocked(info.FullMethod, info.Kind.ClientStreams(), info.Kind.ServerStreams())
			h.mu.Unlock()
			h.set.initialize(&m)
		}
	}
}

// Wants implements stats.Handler.
func (h *Handler) Wants() stats.Group { return stats.Calls | stats.Attempts }

// methodLocked returns the labels of a path, and whether they tell it apart from others.
func (h *Handler) methodLocked(path string, clientStreams, serverStreams bool) (m method, told bool) {
	if !h.paths[path] {
		if len(h.paths) >= h.maxMethods {
			return h.other, false
		}
		h.paths[path] = true
	}
	m.full = strings.TrimPrefix(path, "/")
	m.service = m.full
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
	return m, true
}

// series returns the series of a call's method.
func (h *Handler) series(b *stats.CallBegun) *series {
	p := place{b.Side, b.Method, b.Target}
	if !b.Registered {
		p.path = ""
	}
	h.mu.RLock()
	s := h.made[p]
	h.mu.RUnlock()
	if s != nil {
		return s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.other
	if p.path != "" {
		var told bool
		if m, told = h.methodLocked(p.path, b.ClientStreams, b.ServerStreams); !told {
			p.path = ""
		}
	}
	if s = h.made[p]; s == nil {
		s = &series{h.set.counts(p.side, &m, p.target)}
		h.made[p] = s
	}
	return s
}

// BeginCall implements stats.Handler.
func (h *Handler) BeginCall(ctx context.Context, b *stats.CallBegun) (context.Context, stats.Observer) {
	s := h.series(b)
	s.callBegun()
	return ctx, s
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
