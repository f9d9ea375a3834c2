package otel

import (
	"context"

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
	fewBounds = []float64{1, 2, 3, 4, 5}
)

// An instrument is one of the metrics of gRFC A66 and A96.
type instrument int

const (
	attemptDuration instrument = iota
	attemptSent
	attemptReceived
	callDuration
	retries
	transparentRetries
	hedges
	retryDelay
	serverDuration
	serverSent
	serverReceived
	histograms // how many of the above there are
	attemptStarted
	serverStarted
	instruments // how many there are
)

// A shape is what is fixed about an instrument. Durations have the unit "s" and are recorded in
// nanoseconds.
type shape struct {
	name, unit, what string
	bounds           []float64
}

var shapes = [instruments]shape{
	attemptStarted:     {"grpc.client.attempt.started", "{attempt}", "Number of client call attempts started.", nil},
	attemptDuration:    {"grpc.client.attempt.duration", "s", "End-to-end time taken to complete a client call attempt.", latencyBounds},
	attemptSent:        {"grpc.client.attempt.sent_total_compressed_message_size", "By", "Compressed message bytes sent per client call attempt.", sizeBounds},
	attemptReceived:    {"grpc.client.attempt.rcvd_total_compressed_message_size", "By", "Compressed message bytes received per call attempt.", sizeBounds},
	callDuration:       {"grpc.client.call.duration", "s", "Time taken by gRPC to complete an RPC from application's perspective.", latencyBounds},
	retries:            {"grpc.client.call.retries", "{retry}", "Number of retries during the client call. If there were no retries, 0 is not reported.", fewBounds},
	transparentRetries: {"grpc.client.call.transparent_retries", "{transparent_retry}", "Number of transparent retries during the client call. If there were no transparent retries, 0 is not reported.", []float64{1, 2, 3, 4, 5, 10}},
	hedges:             {"grpc.client.call.hedges", "{hedge}", "Number of hedges during the client call. If there were no hedges, 0 is not reported.", fewBounds},
	retryDelay:         {"grpc.client.call.retry_delay", "s", "Total time of delay while there is no active attempt during the client call.", latencyBounds},
	serverStarted:      {"grpc.server.call.started", "{call}", "Number of server calls started.", nil},
	serverSent:         {"grpc.server.call.sent_total_compressed_message_size", "By", "Compressed message bytes sent per server call.", sizeBounds},
	serverReceived:     {"grpc.server.call.rcvd_total_compressed_message_size", "By", "Compressed message bytes received per server call.", sizeBounds},
	serverDuration:     {"grpc.server.call.duration", "s", "End-to-end time taken to complete a call from server transport's perspective.", latencyBounds},
}

// seconds reports whether the instrument measures a duration.
func (i instrument) seconds() bool { return shapes[i].unit == "s" }

// coded reports whether the instrument's series differ by grpc.status.
func (i instrument) coded() bool { return i < retries || i > retryDelay && i < histograms }

// withoutStatus is where the series that do not differ by grpc.status are kept beside those of the
// codes.
const withoutStatus = int(codes.Unauthenticated) + 1

// slot is the code's place among the series of a method. Codes that gRPC does not define are
// UNKNOWN.
func slot(c codes.Code) int {
	if c > codes.Unauthenticated {
		c = codes.Unknown
	}
	return int(c)
}

// labels are what series differ by, beside the status.
type labels struct {
	side           stats.Side
	method, target string // target "": a server's
}

// A meter makes the series of a method.
type meter interface {
	series(l labels) series
}

// A series is the measurements of one method, of a server or to one target. Safe for concurrent
// use.
type series interface {
	// started counts a call or an attempt.
	started(ctx context.Context)
	// record records a value: of durations the nanoseconds. slot is that of the status.
	record(ctx context.Context, i instrument, slot int, value int64)
}

func serverEnded(ctx context.Context, s series, e *stats.CallEnded) {
	code := slot(status.Code(e.Err))
	s.record(ctx, serverDuration, code, int64(e.Elapsed))
	s.record(ctx, serverSent, code, e.Sent.CompressedBytes())
	s.record(ctx, serverReceived, code, e.Received.CompressedBytes())
}

func attemptEnded(ctx context.Context, s series, e *stats.AttemptEnded) {
	code := slot(status.Code(e.Err))
	s.record(ctx, attemptDuration, code, int64(e.Elapsed))
	s.record(ctx, attemptSent, code, e.Sent.CompressedBytes())
	s.record(ctx, attemptReceived, code, e.Received.CompressedBytes())
}

func callEnded(ctx context.Context, s series, e *stats.CallEnded) {
	s.record(ctx, callDuration, slot(status.Code(e.Err)), int64(e.Elapsed))
	if e.Attempts < 2 {
		return
	}
	for _, n := range []struct {
		i  instrument
		of int
	}{{retries, e.Retries}, {transparentRetries, e.TransparentRetries}, {hedges, e.Hedges}} {
		if n.of > 0 {
			s.record(ctx, n.i, withoutStatus, int64(n.of))
		}
	}
	s.record(ctx, retryDelay, withoutStatus, int64(e.RetryDelay))
}
