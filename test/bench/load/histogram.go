package load

import (
	"math"
	"math/bits"
	"time"
)

// A Histogram counts durations in buckets whose width grows with the value: 128 buckets per
// power of two, so that any percentile is at most 0.8 % too high. It covers one nanosecond
// to 68 seconds; longer ones land in the last bucket, Max is exact. The zero value is empty.
// Not safe for concurrent use: give each caller its own and merge.
type Histogram struct {
	counts [(maxExponent - subBits + 2) << subBits]uint32
	total  uint64
	max    time.Duration
}

const (
	subBits     = 7
	maxExponent = 36 // 2^36 ns is 68 s
)

// Record adds one duration. Negative ones count as zero.
func (h *Histogram) Record(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
	h.max = max(h.max, d)
}

// Merge adds what other holds.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Total returns the number of durations recorded.
func (h *Histogram) Total() uint64 { return h.total }

// Max returns the longest duration recorded, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that a share q (0 to 1) of all recorded ones did not exceed,
// as the upper end of its bucket and never above Max. Zero if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.total)))
	rank = max(rank, 1)
	var seen uint64
	for i, n := range h.counts {
		seen += uint64(n)
		if seen >= rank {
			return min(upperEnd(i), h.max)
		}
	}
	return h.max
}

// bucketOf maps values below 2^subBits to themselves and doubles the width from there on.
func bucketOf(d time.Duration) int {
	if d < 0 {
		d = 0
	}
	v := uint64(d)
	exp := bits.Len64(v) - 1
	switch {
	case exp < subBits:
		return int(v)
	case exp >= maxExponent:
		return len(Histogram{}.counts) - 1
	}
	shift := exp - subBits
	return (shift+1)<<subBits + int(v>>shift) - 1<<subBits
}

// upperEnd is the largest value of bucket i.
func upperEnd(i int) time.Duration {
	if i < 1<<subBits {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	low := (uint64(i&(1<<subBits-1)) | 1<<subBits) << shift
	return time.Duration(low + 1<<shift - 1)
}
