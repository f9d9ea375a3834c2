package flow

import (
	"cmp"
	"iter"
	"slices"
)

const (
	// TickEvery is how often Tick is to be called while messages wait.
	TickEvery = int64(250e6)
	// slowAfter is how long a message may keep others waiting for window that its peer was given
	// and does not use, and slowRate the bytes a second from which on it is used.
	slowAfter = int64(1e9)
	slowRate  = 64 << 10
	// soonDone is how long a message may take in all, at the rate it comes, without being ended for
	// others: many that share a slow network are all slow, and none gains by another's end.
	soonDone = int64(15e9)
)

// Tick looks after the messages that wait. A peer that was given a window and uses less than
// slowRate of it no longer keeps others from theirs: only what it has sent counts. When that alone
// is what others wait for, and none of it will be complete soon, Tick returns streams that are to
// be ended, the slowest first, until the first of those that wait has what it needs.
func (c *Conn) Tick(streams iter.Seq[*Stream], now int64) []*Stream {
	var (
		slow    []*Stream
		holders []Holder
		active  bool
		program int64 // lent for complete messages: it is the program that has to take them
	)
	for s := range streams {
		switch {
		case s.phase != extended:
			program += s.lent
		case !s.isSlow(now):
			active = true
		default:
			if s.unused == 0 {
				c.setUnused(s, max(0, min(s.lent, s.window-c.cfg.Base)))
			}
			slow = append(slow, s)
			holders = append(holders, s.Holder(now))
			active = active || s.isDoneSoon(now)
		}
	}
	c.serve(now)
	most := c.budget()
	if active || len(slow) == 0 || !c.Waits() || program > most/2 {
		return nil
	}
	var end []*Stream
	first := c.waiting[0]
	used := c.lent - c.unused
	free := max(used-most/10*9, min(used, used+first.need()+c.cfg.Base-first.window-most))
	for _, i := range Slowest(holders) {
		if free <= 0 {
			break
		}
		free -= slow[i].lent - slow[i].unused
		end = append(end, slow[i])
	}
	return end
}

// isSlow reports whether the message of s comes too slowly to keep others waiting.
func (s *Stream) isSlow(now int64) bool {
	elapsed := now - s.lentAt
	return elapsed >= slowAfter && float64(s.asked-s.need()) < slowRate*float64(elapsed)/1e9
}

// isDoneSoon reports whether the message of s, if the rest comes as what has come, takes no longer
// than soonDone from when its window was extended. One that stalls before its end has no more time
// than that either.
func (s *Stream) isDoneSoon(now int64) bool {
	return float64(now-s.lentAt)*float64(s.asked) <= float64(soonDone)*float64(s.asked-s.need())
}

// A Holder is a stream that holds memory: of its peer's message, or of a response its peer does not
// take.
type Holder struct {
	Bytes int64 // held
	Moved int64 // of it came, or went, in Age
	Age   int64 // nanoseconds
}

// Holder returns what s holds at now.
func (s *Stream) Holder(now int64) Holder {
	return Holder{Bytes: s.held, Moved: s.held, Age: now - s.began}
}

// Slowest returns the order in which streams are to be ended when memory is short: those whose
// bytes move most slowly first, and of equally slow ones those that hold most.
func Slowest(holders []Holder) []int {
	order := make([]int, len(holders))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := holders[i], holders[j]
		return cmp.Or(cmp.Compare(a.rate(), b.rate()), cmp.Compare(b.Bytes, a.Bytes))
	})
	return order
}

// credited is counted for every stream as if it had moved before, so that what has just begun is
// not slow, however small it is.
const credited = 64 << 10

// rate is in bytes a second. The least time counted is a millisecond.
func (h Holder) rate() float64 {
	return float64(h.Moved+credited) * 1e9 / float64(max(h.Age, 1e6))
}
