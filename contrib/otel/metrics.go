package otel

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/stats"
)

// meterSeries records with the instruments of a MeterProvider.
type meterSeries struct {
	instruments *providerMeter
	labels      labels
	count       metric.Int64Counter
	add         []metric.AddOption
	// The options of a status, made when it is seen first: attribute sets are the larger part of
	// what a measurement costs.
	options [withoutStatus + 1]atomic.Pointer[[]metric.RecordOption]
}

// providerMeter is the instruments of a MeterProvider. Immutable.
type providerMeter struct {
	started   [2]metric.Int64Counter // by side
	durations [histograms]metric.Float64Histogram
	others    [histograms]metric.Int64Histogram
}

func newProviderMeter(m metric.Meter) (*providerMeter, error) {
	p := new(providerMeter)
	var errs []error
	for side, i := range map[stats.Side]instrument{stats.Server: serverStarted, stats.Client: attemptStarted} {
		s := shapes[i]
		c, err := m.Int64Counter(s.name, metric.WithUnit(s.unit), metric.WithDescription(s.what))
		p.started[side], errs = c, append(errs, err)
	}
	for i := range histograms {
		s := shapes[i]
		var err error
		if i.seconds() {
			p.durations[i], err = m.Float64Histogram(s.name, metric.WithUnit(s.unit), metric.WithDescription(s.what), metric.WithExplicitBucketBoundaries(s.bounds...))
		} else {
			p.others[i], err = m.Int64Histogram(s.name, metric.WithUnit(s.unit), metric.WithDescription(s.what), metric.WithExplicitBucketBoundaries(s.bounds...))
		}
		errs = append(errs, err)
	}
	return p, errors.Join(errs...)
}

func (p *providerMeter) series(l labels) series {
	return &meterSeries{instruments: p, labels: l, count: p.started[l.side],
		add: []metric.AddOption{metric.WithAttributeSet(l.attributes(withoutStatus))}}
}

// attributes are those of the labels, with the status of a slot.
func (l labels) attributes(slot int) attribute.Set {
	kv := []attribute.KeyValue{attribute.String("grpc.method", l.method)}
	if l.target != "" {
		kv = append(kv, attribute.String("grpc.target", l.target))
	}
	if slot != withoutStatus {
		kv = append(kv, attribute.String("grpc.status", codes.Code(slot).String()))
	}
	return attribute.NewSet(kv...)
}

func (s *meterSeries) started(ctx context.Context) { s.count.Add(ctx, 1, s.add...) }

func (s *meterSeries) record(ctx context.Context, i instrument, slot int, value int64) {
	o := s.options[slot].Load()
	if o == nil {
		o = &[]metric.RecordOption{metric.WithAttributeSet(s.labels.attributes(slot))}
		s.options[slot].Store(o)
	}
	if i.seconds() {
		s.instruments.durations[i].Record(ctx, float64(value)/1e9, *o...)
	} else {
		s.instruments.others[i].Record(ctx, value, *o...)
	}
}
