package otel

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// Bounds of the buckets, gRFC A66: "Buckets for histograms in default views".
var (
	latencyBounds = []float64{0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008,
		0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10,
		20, 50, 100}
	sizeBounds = []float64{0, 1024, 2048, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456, 1073741824,
		4294967296}
)

// instruments are the metrics of gRFC A66 and A96.
type instruments struct {
	attemptStarted                      metric.Int64Counter
	attemptDuration                     metric.Float64Histogram
	attemptSent, attemptReceived        metric.Int64Histogram
	callDuration                        metric.Float64Histogram
	retries, transparentRetries, hedges metric.Int64Histogram
	retryDelay                          metric.Float64Histogram
	serverStarted                       metric.Int64Counter
	serverDuration                      metric.Float64Histogram
	serverSent, serverReceived          metric.Int64Histogram

	sets sync.Map // of labels to [][1]metric option, bounded by methods, targets and codes
}

func newInstruments(m metric.Meter) (*instruments, error) {
	i := new(instruments)
	var errs []error
	counter := func(to *metric.Int64Counter, name, unit, what string) {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		*to, errs = c, append(errs, err)
	}
	sizes := func(to *metric.Int64Histogram, name, unit, what string, bounds ...float64) {
		h, err := m.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(what), metric.WithExplicitBucketBoundaries(bounds...))
		*to, errs = h, append(errs, err)
	}
	seconds := func(to *metric.Float64Histogram, name, what string) {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), metric.WithExplicitBucketBoundaries(latencyBounds...))
		*to, errs = h, append(errs, err)
	}
	counter(&i.attemptStarted, "grpc.client.attempt.started", "{attempt}", "Number of client call attempts started.")
	seconds(&i.attemptDuration, "grpc.client.attempt.duration", "End-to-end time taken to complete a client call attempt.")
	sizes(&i.attemptSent, "grpc.client.attempt.sent_total_compressed_message_size", "By", "Compressed message bytes sent per client call attempt.", sizeBounds...)
	sizes(&i.attemptReceived, "grpc.client.attempt.rcvd_total_compressed_message_size", "By", "Compressed message bytes received per call attempt.", sizeBounds...)
	seconds(&i.callDuration, "grpc.client.call.duration", "Time taken by gRPC to complete an RPC from application's perspective.")
	sizes(&i.retries, "grpc.client.call.retries", "{retry}", "Number of retries during the client call. If there were no retries, 0 is not reported.", 1, 2, 3, 4, 5)
	sizes(&i.transparentRetries, "grpc.client.call.transparent_retries", "{transparent_retry}", "Number of transparent retries during the client call. If there were no transparent retries, 0 is not reported.", 1, 2, 3, 4, 5, 10)
	sizes(&i.hedges, "grpc.client.call.hedges", "{hedge}", "Number of hedges during the client call. If there were no hedges, 0 is not reported.", 1, 2, 3, 4, 5)
	seconds(&i.retryDelay, "grpc.client.call.retry_delay", "Total time of delay while there is no active attempt during the client call.")
	counter(&i.serverStarted, "grpc.server.call.started", "{call}", "Number of server calls started.")
	sizes(&i.serverSent, "grpc.server.call.sent_total_compressed_message_size", "By", "Compressed message bytes sent per server call.", sizeBounds...)
	sizes(&i.serverReceived, "grpc.server.call.rcvd_total_compressed_message_size", "By", "Compressed message bytes received per server call.", sizeBounds...)
	seconds(&i.serverDuration, "grpc.server.call.duration", "End-to-end time taken to complete a call from server transport's perspective.")
	return i, errors.Join(errs...)
}

// labels are what series differ by.
type labels struct {
	method, target string // target "": a server's
	code           codes.Code
	bare           bool // without grpc.status
}

// set returns the attributes, made once.
func (i *instruments) set(l labels) metric.MeasurementOption {
	if l.code > codes.Unauthenticated {
		l.code = codes.Unknown
	}
	if o, ok := i.sets.Load(l); ok {
		return o.(metric.MeasurementOption)
	}
	kv := []attribute.KeyValue{attribute.String("grpc.method", l.method)}
	if l.target != "" {
		kv = append(kv, attribute.String("grpc.target", l.target))
	}
	if !l.bare {
		kv = append(kv, attribute.String("grpc.status", l.code.String()))
	}
	o := metric.WithAttributeSet(attribute.NewSet(kv...))
	i.sets.Store(l, o)
	return o
}

func (i *instruments) serverBegun(ctx context.Context, method string) {
	i.serverStarted.Add(ctx, 1, i.set(labels{method: method, bare: true}))
}

func (i *instruments) serverEnded(ctx context.Context, method string, e *stats.CallEnded) {
	o := i.set(labels{method: method, code: status.Code(e.Err)})
	i.serverDuration.Record(ctx, e.Elapsed.Seconds(), o)
	i.serverSent.Record(ctx, e.Sent.CompressedBytes(), o)
	i.serverReceived.Record(ctx, e.Received.CompressedBytes(), o)
}

func (i *instruments) attemptBegun(ctx context.Context, method, target string) {
	i.attemptStarted.Add(ctx, 1, i.set(labels{method: method, target: target, bare: true}))
}

func (i *instruments) attemptEnded(ctx context.Context, method, target string, e *stats.AttemptEnded) {
	o := i.set(labels{method: method, target: target, code: status.Code(e.Err)})
	i.attemptDuration.Record(ctx, e.Elapsed.Seconds(), o)
	i.attemptSent.Record(ctx, e.Sent.CompressedBytes(), o)
	i.attemptReceived.Record(ctx, e.Received.CompressedBytes(), o)
}

func (i *instruments) callEnded(ctx context.Context, method, target string, e *stats.CallEnded) {
	i.callDuration.Record(ctx, e.Elapsed.Seconds(), i.set(labels{method: method, target: target, code: status.Code(e.Err)}))
	if e.Attempts < 2 {
		return
	}
	o := i.set(labels{method: method, target: target, bare: true})
	for _, n := range []struct {
		of int
		to metric.Int64Histogram
	}{{e.Retries, i.retries}, {e.TransparentRetries, i.transparentRetries}, {e.Hedges, i.hedges}} {
		if n.of > 0 {
			n.to.Record(ctx, int64(n.of), o)
		}
	}
	i.retryDelay.Record(ctx, e.RetryDelay.Seconds(), o)
}
