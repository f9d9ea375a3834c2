package flow

import (
	"fmt"
	"iter"
)

// Check returns an error if the state is one that must not be. It is for tests.
func (c *Conn) Check(streams iter.Seq[*Stream]) error {
	var lent, unused, grown, wait int64
	for s := range streams {
		if s.window < c.cfg.Base-c.cfg.Initial || s.window > MaxWindow || s.held < 0 || s.coming < 0 || s.lent < 0 || s.unused < 0 || s.unused > s.lent {
			return fmt.Errorf("stream %d: %v, %d unused", s.id, s, s.unused)
		}
		if over := s.window + s.held + s.coming - s.target - s.lent; over > 0 && s.phase != closed {
			return fmt.Errorf("stream %d: %v: %d more than was given", s.id, s, over)
		}
		if s.phase == waiting && s.lent > s.done() {
			return fmt.Errorf("stream %d: %v: it waits, and keeps what others wait for", s.id, s)
		}
		if s.phase != waiting && s.phase != closed && c.isTight(s) && s.need()+c.cfg.Base/leftover > s.target+s.lent-s.held+s.done() && s.need() < MaxWindow/2 {
			return fmt.Errorf("stream %d: %v: its message cannot come whole, and it does not wait", s.id, s)
		}
		lent, unused = lent+s.lent, unused+s.unused
		if s.phase != closed {
			grown += s.target - c.first.window
		}
		if s.phase == waiting {
			wait++
		}
	}
	if lent != c.lent || unused != c.unused || grown != c.grown || wait != int64(len(c.waiting)) || c.window < ConnWindow/2 {
		return fmt.Errorf("lent %d, unused %d, grown %d, waiting %d of streams; the connection has %d, %d, %d, %d and a window of %d",
			lent, unused, grown, wait, c.lent, c.unused, c.grown, len(c.waiting), c.window)
	}
	return nil
}
