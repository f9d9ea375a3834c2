package abuse

// A rate is a token bucket's shape: it holds depth/interval tokens and gains one each
// interval nanoseconds. The zero rate allows nothing.
type rate struct {
	interval int64
	depth    int64 // unlimited if negative
}

// neverRefills is the depth of a bucket that only empties: 73 years. Twice that, as take may
// need with a burst of one, added to any present time in nanoseconds since 1970 fits an int64.
const neverRefills = 1 << 61

func newRate(r Rate) rate {
	switch {
	case r.Burst < 0:
		return rate{depth: -1}
	case r.Burst == 0:
		return rate{interval: 1}
	case r.PerSecond <= 0:
		n := neverRefills / int64(r.Burst)
		return rate{interval: n, depth: n * int64(r.Burst)}
	}
	n := int64(1e9) / int64(r.PerSecond)
	return rate{interval: n, depth: n * int64(r.Burst)}
}

// A bucket is a token bucket in one word, as the time at which it will be full again
// (the generic cell rate algorithm's theoretical arrival time). The zero bucket is full.
type bucket int64

// take takes a token and reports whether there was one.
func (b *bucket) take(now int64, r rate) bool {
	if r.depth < 0 {
		return true
	}
	full := max(int64(*b), now) + r.interval
	if full-now > r.depth {
		return false
	}
	*b = bucket(full)
	return true
}
