package abuse

// maxCredit bounds the calls whose credit is kept.
const maxCredit = 10_000

// Refusals is what one connection's peer has left of calls that are refused without a look at their
// message: to unknown methods, with other content types, with header lists over the limit. Each is
// answered at once, so that no limit of streams or handlers slows down a peer that does nothing else. Calls that
// are served earn as many refusals: one bad client behind a proxy does not end the connection of
// all. Owned by the connection's read loop.
type Refusals struct {
	policy *Policy
	left   bucket
	credit int
}

// Refusals returns the allowance of a fresh connection.
func (p *Policy) Refusals() Refusals { return Refusals{policy: p} }

// Served notes a call that is not refused.
func (r *Refusals) Served() {
	if r.credit < maxCredit {
		r.credit++
	}
}

// Charge charges a refused call. clock is asked for the time in nanoseconds only if that matters.
func (r *Refusals) Charge(clock func() int64) *Fault {
	if r.credit > 0 {
		r.credit--
		return nil
	}
	if r.left.take(clock(), r.policy.refusals) {
		return nil
	}
	return rateFault("refused_flood", limitRefusals, r.policy.cfg.Refusals)
}
