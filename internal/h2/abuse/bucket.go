package abuse

// A rate is a token bucket's shape: it holds depth/interval tokens and gains one each
// interval nanoseconds. The zero rate allows nothing.
type rate struct {
	interval int64
	depth    int64 // unlimited if negative
	grace    int64 // debt, as time, that is let off by slowing the peer down; 0 if it can never be repaid
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
	depth := n * int64(r.Burst)
	return rate{interval: n, depth: depth, grace: depth}
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

// charge takes a token whether or not there is one, and returns how far the bucket is in debt: the
// time in nanoseconds after which it would have had the token. What cannot be forgiven is not
// added.
func (b *bucket) charge(now int64, r rate) (debt int64) {
	if r.depth < 0 {
		return 0
	}
	full := max(int64(*b), now) + r.interval
	if debt = full - now - r.depth; debt <= 2*r.grace {
		*b = bucket(full)
	}
	return max(0, debt)
}

// debt returns how far the bucket is in debt.
func (b bucket) debt(now int64, r rate) int64 {
	if r.depth < 0 {
		return 0
	}
	return max(0, int64(b)-now-r.depth)
}
