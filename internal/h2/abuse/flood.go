package abuse

import (
	"time"

	"github.com/naru-rpc/naru/internal/reason"
)

// Calls that are given up or refused, and how a flood of them is told from the ordinary.
//
// Cancelling is part of gRPC: deadlines that pass, hedging and callers that go away each send
// RST_STREAM, thousands a second through one proxy. What rapid reset (CVE-2023-44487) needs and no
// client does is to give up calls at once, before anything was done for them. Only that is charged,
// and calls that end in good order earn credit for it.
//
// A peer that uses up its allowance is slowed down first ([Budget.Pause]), to the rate of the
// allowance. If it sends on as fast, the connection is drained, so that calls which others have
// made through it end in good order; if it still does, the connection ends.

const (
	// briefCall is the age from which giving up a call is not charged. Deadlines shorter than a
	// network's round trip are rare, and a peer that keeps each of its streams open as long can
	// give up 51,200 calls a second at 256 streams: each costs less than a call that is served.
	briefCall = int64(5 * time.Millisecond)
	// paidBytes is the body from which giving up a call is not charged: it cost the peer more than
	// this side.
	paidBytes = 16 << 10
	// mostServed bounds the credit that can be saved up.
	mostServed = 10_000
	// longestPause bounds each pause, as calls of others wait for it as well.
	longestPause = 100 * time.Millisecond
)

// LongHead is the weight of a call refused for the size of its header list: tens of kilobytes were
// received and decoded in vain.
const LongHead = 10

// A Reset is a call that a RST_STREAM frame of the peer ended. The zero value is one that had ended
// before.
type Reset struct {
	Served bool  // a handler has begun with it
	Age    int64 // nanoseconds since its header came
	Bytes  int64 // of its body that came
}

// ResetReceived charges a RST_STREAM frame. finished counts the calls of the connection that ended
// in good order so far.
func (b *Budget) ResetReceived(now int64, finished uint64, r Reset) *Fault {
	if r.Served || r.Age >= briefCall || r.Bytes >= paidBytes {
		return nil
	}
	if b.earn(finished); b.credit > 0 {
		b.credit--
		return nil
	}
	return b.flood(&b.received, now, b.policy.received, "reset_flood", limitResetsReceived, b.policy.cfg.ResetsReceived)
}

// ResetCaused charges a RST_STREAM frame that the peer made this side send: a fault in a
// stream, a stream beyond the limit, a window kept at zero. Not one for a call that ended early.
func (b *Budget) ResetCaused(now int64) *Fault {
	return b.flood(&b.caused, now, b.policy.caused, "reset_caused_flood", limitResetsCaused, b.policy.cfg.ResetsCaused)
}

// Refused charges a call that was refused without a look at its messages: to an unknown method, of
// another content type, with a header list over the limit. Each is answered at once, so that no
// limit of streams or handlers slows down a peer that does nothing else. weight is 1 for most, see
// [LongHead]; finished as for ResetReceived.
func (b *Budget) Refused(now int64, finished uint64, weight int) *Fault {
	b.earn(finished)
	weight++ // the refusal itself will end in good order
	paid := min(int(b.credit), weight)
	b.credit -= uint32(paid)
	for range weight - max(paid, 1) {
		if f := b.flood(&b.refused, now, b.policy.refusals, "refused_flood", limitRefusals, b.policy.cfg.Refusals); f != nil {
			return f
		}
	}
	return nil
}

// earn credits the calls that have ended in good order since it was last called.
func (b *Budget) earn(finished uint64) {
	b.credit = uint32(min(uint64(b.credit)+finished-b.finishedSeen, mostServed))
	b.finishedSeen = finished
}

// flood charges a bucket. The first debt beyond the rate's grace drains the connection, twice as
// much ends it.
func (b *Budget) flood(k *bucket, now int64, r rate, token reason.Code, limit string, allowed Rate) *Fault {
	debt := k.charge(b.clock(now), r)
	if debt <= r.grace || debt <= 2*r.grace && b.draining {
		return nil
	}
	f := rateFault(token, limit, allowed)
	f.Drain = debt <= 2*r.grace
	b.draining = true
	return f
}

// Pause returns how long the peer is not to be listened to: until what it has used beyond its
// allowances has come back, but no longer than a tenth of a second at a time. 0: not at all.
func (b *Budget) Pause(now int64) time.Duration {
	now = b.clock(now)
	p := b.policy
	debt := max(b.received.debt(now, p.received), b.caused.debt(now, p.caused), b.refused.debt(now, p.refusals))
	return min(time.Duration(debt), longestPause)
}
