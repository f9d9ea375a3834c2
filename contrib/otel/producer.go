package otel

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/naru-rpc/naru/stats"
)

// A Producer keeps the metrics itself, for a reader of the SDK that asks for them when it exports:
//
//	metric.NewPeriodicReader(exporter, metric.WithProducer(p))
//
// A measurement costs a few atomic additions in place of a look-up of its attributes in the SDK for
// each of the nine that a unary call makes on its two ends. The metrics are the same, with the same
// names, labels and buckets. What the SDK offers on the way of a measurement does not apply: no
// views, no exemplar filters (a call that is sampled leaves one per bucket), and sums that never go
// back (cumulative temporality). Safe for concurrent use.
type Producer struct {
	mu  sync.Mutex
	all []*tally // guarded by mu
}

// NewProducer returns a producer that has counted nothing yet.
func NewProducer() *Producer { return new(Producer) }

func (p *Producer) series(l labels) series {
	t := &tally{labels: l, since: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, t)
	return t
}

// A tally is the series of one method. The zero value of what it counts is ready.
type tally struct {
	// immutable
	labels labels
	since  time.Time

	// atomic
	count atomic.Int64
	cells [withoutStatus + 1]atomic.Pointer[cells] // by slot, made when first used
}

// cells are the histograms of a status.
type cells [histograms]*histogram

func (t *tally) started(context.Context) { t.count.Add(1) }

func (t *tally) record(ctx context.Context, i instrument, slot int, value int64) {
	c := t.cells[slot].Load()
	if c == nil {
		t.cells[slot].CompareAndSwap(nil, t.newCells(slot))
		c = t.cells[slot].Load()
	}
	c[i].record(ctx, value)
}

// newCells makes the histograms that a slot of this side has.
func (t *tally) newCells(slot int) *cells {
	c := new(cells)
	for i := range histograms {
		server := i >= serverDuration
		if server == (t.labels.side == stats.Server) && i.coded() == (slot != withoutStatus) {
			c[i] = newHistogram(i)
		}
	}
	return c
}

// A histogram counts values by bucket. Durations are kept in nanoseconds.
type histogram struct {
	// immutable
	bounds []int64

	// atomic
	counts    []atomic.Uint64
	sum       atomic.Int64 // of what collect has not moved to collected
	min, max  atomic.Int64
	exemplars atomic.Pointer[[]atomic.Pointer[exemplar]] // by bucket, the newest; nil: none yet

	// guarded by Producer.mu
	collected float64
}

// exemplar is a measurement made in a sampled trace.
type exemplar struct {
	at    time.Time
	value int64
	span  trace.SpanContext
}

// bounds are the instruments' bounds as they are compared: those of durations in nanoseconds.
var bounds = func() (all [histograms][]int64) {
	for i := range histograms {
		for _, b := range shapes[i].bounds {
			if i.seconds() {
				b *= 1e9
			}
			all[i] = append(all[i], int64(math.Round(b)))
		}
	}
	return all
}()

func newHistogram(i instrument) *histogram {
	h := &histogram{bounds: bounds[i], counts: make([]atomic.Uint64, len(bounds[i])+1)}
	h.min.Store(math.MaxInt64)
	h.max.Store(math.MinInt64)
	return h
}

func (h *histogram) record(ctx context.Context, v int64) {
	// A bound belongs to the bucket below it.
	i, _ := slices.BinarySearch(h.bounds, v)
	for old := h.min.Load(); v < old && !h.min.CompareAndSwap(old, v); old = h.min.Load() {
	}
	for old := h.max.Load(); v > old && !h.max.CompareAndSwap(old, v); old = h.max.Load() {
	}
	h.sum.Add(v)
	h.counts[i].Add(1) // last: a point that is collected has a minimum
	if ctx == unsampled {
		return
	}
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		h.keep(i, &exemplar{time.Now(), v, span})
	}
}

func (h *histogram) keep(bucket int, e *exemplar) {
	list := h.exemplars.Load()
	if list == nil {
		empty := make([]atomic.Pointer[exemplar], len(h.counts))
		h.exemplars.CompareAndSwap(nil, &empty)
		list = h.exemplars.Load()
	}
	(*list)[bucket].Store(e)
}

// Produce implements the SDK's metric.Producer.
func (p *Producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var metrics []metricdata.Metrics
	for i := range instruments {
		var data metricdata.Aggregation
		switch {
		case i == histograms:
			continue
		case i == serverStarted:
			data = p.counted(stats.Server, now)
		case i == attemptStarted:
			data = p.counted(stats.Client, now)
		case i.seconds():
			data = points(p, i, now, func(v int64) float64 { return float64(v) / 1e9 })
		default:
			data = points(p, i, now, func(v int64) int64 { return v })
		}
		if data != nil {
			metrics = append(metrics, metricdata.Metrics{Name: shapes[i].name, Description: shapes[i].what, Unit: shapes[i].unit, Data: data})
		}
	}
	if metrics == nil {
		return nil, nil
	}
	return []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: scope}, Metrics: metrics}}, nil
}

func (p *Producer) counted(side stats.Side, now time.Time) metricdata.Aggregation {
	var list []metricdata.DataPoint[int64]
	for _, t := range p.all {
		if n := t.count.Load(); t.labels.side == side && n > 0 {
			list = append(list, metricdata.DataPoint[int64]{Attributes: t.labels.attributes(withoutStatus), StartTime: t.since, Time: now, Value: n})
		}
	}
	if list == nil {
		return nil
	}
	return metricdata.Sum[int64]{DataPoints: list, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
}

// points are the data points of a histogram, whose values are as unit makes them.
func points[N int64 | float64](p *Producer, i instrument, now time.Time, unit func(int64) N) metricdata.Aggregation {
	var list []metricdata.HistogramDataPoint[N]
	for _, t := range p.all {
		for slot := range t.cells {
			c := t.cells[slot].Load()
			if c == nil || c[i] == nil {
				continue
			}
			if d := point(c[i], unit); d.Count > 0 {
				d.Attributes, d.StartTime, d.Time, d.Bounds = t.labels.attributes(slot), t.since, now, shapes[i].bounds
				list = append(list, d)
			}
		}
	}
	if list == nil {
		return nil
	}
	return metricdata.Histogram[N]{DataPoints: list, Temporality: metricdata.CumulativeTemporality}
}

func point[N int64 | float64](h *histogram, unit func(int64) N) (d metricdata.HistogramDataPoint[N]) {
	for i := range h.counts {
		n := h.counts[i].Load()
		d.BucketCounts = append(d.BucketCounts, n)
		d.Count += n
	}
	// What is summed up between two collections fits an int64; what is summed up in a year need
	// not.
	moved := h.sum.Swap(0)
	h.collected += float64(unit(moved))
	d.Sum = N(h.collected)
	d.Min, d.Max = metricdata.NewExtrema(unit(h.min.Load())), metricdata.NewExtrema(unit(h.max.Load()))
	if list := h.exemplars.Load(); list != nil {
		for i := range *list {
			if e := (*list)[i].Load(); e != nil {
				traceID, spanID := e.span.TraceID(), e.span.SpanID()
				d.Exemplars = append(d.Exemplars, metricdata.Exemplar[N]{Time: e.at, Value: unit(e.value), TraceID: traceID[:], SpanID: spanID[:]})
			}
		}
	}
	return d
}
