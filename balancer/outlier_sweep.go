package balancer

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// sample is what was counted of an endpoint in one interval.
type sample struct {
	e            *watchedEndpoint
	good, total  float64
	timed, nanos float64
}

func (s *sample) rate() float64    { return s.good / s.total }
func (s *sample) latency() float64 { return s.nanos / s.timed }

// sweep runs once per interval: gRFC A50, "The outlier_detection LB policy will have a timer".
func (b *outlierDetection) sweep() {
	now := b.host.Now()
	b.started = now
	b.stop = b.host.AfterFunc(b.policy.Interval, b.sweep)
	samples := make([]sample, len(b.list))
	for i, e := range b.list {
		samples[i] = e.swap()
	}
	if s := b.policy.SuccessRate; s != nil {
		b.bySuccessRate(now, s, samples)
	}
	if f := b.policy.FailurePercentage; f != nil {
		b.byFailures(now, f, samples)
	}
	if l := b.policy.Latency; l != nil {
		b.byLatency(now, l, samples)
	}
	for _, e := range b.list {
		switch {
		case !e.ejected:
			e.multiplier = max(e.multiplier-1, 0)
		case !now.Before(e.since.Add(b.away(e))):
			e.uneject()
		}
	}
}

// away is how long e is taken away for: "min(base_ejection_time * multiplier,
// max(base_ejection_time, max_ejection_time))".
func (b *outlierDetection) away(e *watchedEndpoint) time.Duration {
	longest := max(b.policy.BaseEjection, b.policy.MaxEjection)
	if n := time.Duration(e.multiplier); n > 0 && b.policy.BaseEjection > longest/n {
		return longest // the product may be more than a Duration holds
	}
	return b.policy.BaseEjection * time.Duration(e.multiplier)
}

// try takes e away unless too many are, or chance has it otherwise. It returns false when no more
// may be taken.
func (b *outlierDetection) try(now time.Time, e *watchedEndpoint, enforcement int, why string) bool {
	if e.ejected {
		return true
	}
	if b.full() {
		return false
	}
	if int(b.host.Uint64()%100) < enforcement {
		e.eject(now, why)
	}
	return true
}

// full: "If the percentage of ejected addresses is greater than or equal to max_ejection_percent,
// stop."
func (b *outlierDetection) full() bool {
	away := 0
	for _, e := range b.list {
		if e.ejected {
			away++
		}
	}
	return b.policy.MaxPercent < 0 || away*100 >= b.policy.MaxPercent*len(b.list)
}

// enough returns the samples for which volume is large enough, or nil if they are too few.
func enough(samples []sample, hosts int, ok func(*sample) bool) []sample {
	var out []sample
	for _, s := range samples {
		if ok(&s) {
			out = append(out, s)
		}
	}
	if len(out) < hosts {
		return nil
	}
	return out
}

// bySuccessRate: gRFC A50, "Success Rate Algorithm".
func (b *outlierDetection) bySuccessRate(now time.Time, p *SuccessRateEjection, samples []sample) {
	volume := float64(max(p.Volume, 1))
	list := enough(samples, p.MinHosts, func(s *sample) bool { return s.total >= volume })
	mean, stdev := meanAndStdev(list)
	threshold := mean - stdev*p.StdevFactor
	for i := range list {
		s := &list[i]
		if s.rate() >= threshold {
			continue
		}
		why := fmt.Sprintf("%.1f %% of its calls were good, below %.1f %% (mean %.1f %%, factor %v of the standard deviation)",
			100*s.rate(), 100*threshold, 100*mean, p.StdevFactor)
		if !b.try(now, s.e, p.Enforcement, why) {
			return
		}
	}
}

func meanAndStdev(list []sample) (mean, stdev float64) {
	if len(list) == 0 {
		return 0, 0
	}
	for i := range list {
		mean += list[i].rate()
	}
	mean /= float64(len(list))
	for i := range list {
		d := list[i].rate() - mean
		stdev += d * d
	}
	return mean, math.Sqrt(stdev / float64(len(list)))
}

// byFailures: gRFC A50, "Failure Percentage Algorithm".
func (b *outlierDetection) byFailures(now time.Time, p *FailurePercentageEjection, samples []sample) {
	volume := float64(max(p.Volume, 1))
	list := enough(samples, p.MinHosts, func(s *sample) bool { return s.total >= volume })
	for i := range list {
		s := &list[i]
		failed := 100 * (1 - s.rate())
		if failed <= p.Threshold {
			continue
		}
		why := fmt.Sprintf("%.1f %% of its calls failed, above the threshold of %v %%", failed, p.Threshold)
		if !b.try(now, s.e, p.Enforcement, why) {
			return
		}
	}
}

// byLatency compares with the median, which the slow ones do not move while they are fewer than
// half.
func (b *outlierDetection) byLatency(now time.Time, p *LatencyEjection, samples []sample) {
	volume := float64(max(p.Volume, 1))
	list := enough(samples, p.MinHosts, func(s *sample) bool { return s.timed >= volume })
	if len(list) == 0 {
		return
	}
	median := medianLatency(list)
	threshold := max(median*p.Factor, median+float64(latencySlack))
	for i := range list {
		s := &list[i]
		if s.latency() <= threshold {
			continue
		}
		why := fmt.Sprintf("its calls took %v on average, above %v (factor %v of the median)",
			roundLatency(s.latency()), roundLatency(threshold), p.Factor)
		if !b.try(now, s.e, p.Enforcement, why) {
			return
		}
	}
}

func medianLatency(list []sample) float64 {
	all := make([]float64, len(list))
	for i := range list {
		all[i] = list[i].latency()
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

func roundLatency(ns float64) time.Duration { return time.Duration(ns).Round(time.Microsecond) }
