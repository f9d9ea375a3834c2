package abuse

// maxCredit bounds the calls whose credit is kept.
const maxCredit = 10_000

// Refusals is what one connection's peer has left of calls that are refused without a look at their
// message: to unknown methods, with other content types, with header lists over the limit. Each is
// answered at once, so that no limit of streams or handlers slows down a peer that does nothing else. Calls that
// are served earn as many refusals: one bad client behind a proxy does not end the connection of
// all. Owned by the connection's read loop. A nil one refuses nothing.
type Refusals struct {
	policy *Policy
	left   bucket
	credit int
}

// Refusals returns the allowance of a fresh connection.
func (p *Policy) Refusals() *Refusals { return &Refusals{policy: p} }

// Served notes a call that is not refused.
func (r *Refusals) Served() {
	if r != nil && r.credit < maxCredit {
		r.credit++
	}
}

// LongHead is the weight of a call refused for the size of its header list: it is tens of kilobytes that were
// received and decoded in vain.
const LongHead = 10

// Charge charges a refused call of a weight, 1 for most. clock is asked for the time in nanoseconds only if that matters.
func (r *Refusals) Charge(clock func() int64, weight int) *Fault {
	if r == nil {
		return nil
	}
	earned := min(r.credit, weight)
	r.credit -= earned
	if earned == weight {
		return nil
	}
	now := clock()
	for range weight - earned {
		if !r.left.take(now, r.policy.refusals) {
			return rateFault("refused_flood", limitRefusals, r.policy.cfg.Refusals)
		}
	}
	return nil
}
