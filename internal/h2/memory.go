package h2

// Extensions of windows beyond what every stream and connection starts with are memory that a server
// did not promise. All its connections take them from one Budget: ten connections that each begin the
// largest message on every stream then hold little more than one would.
//
// A budget that is used up makes streams wait, and whoever makes others wait must go on:
//
//   - While data comes, or the program takes some, nothing is done here; the shell sees to it that one
//     connection at a time may have more than the others.
//   - A connection on which nothing moved for serveAfter may extend more of its streams at a time: what
//     it waits for may be stuck behind them, in a proxy that merges the uploads of many.
//   - After stallAfter, the younger half of the streams that wait is refused, as long as nobody has
//     looked at them: their peer may try again, and a proxy's buffers come free. When none is left, the
//     message that holds is refused likewise: its peer had the window and sent nothing.
//   - A message that holds and that a handler waits for is given up after giveUpAfter. Its peer cannot be told to
//     try again, and may be honest: on a slow network the window takes seconds to get there, behind what was sent before it.
//   - A connection that waits for what others hold is left alone (Excuse). The shell sees to it that one of
//     them has what it needs.
const (
	serveAfter = int64(250e6)
	stallAfter = int64(1e9)
	// giveUpAfter is more than a window waits behind 300 KB for a peer that takes 100 KB a second.
	giveUpAfter = int64(5e9)
)

// A Budget is the memory that the connections of a server share for half-received messages, as one
// connection sees it. Its methods are called under the connection's lock.
type Budget interface {
	// Reserve takes n bytes, or returns false if there are not so many.
	Reserve(n int64) bool
	// Release gives n bytes back; negative n takes them, whatever there is.
	Release(n int64)
	// Completed tells that n bytes of what was reserved are now held by messages that came whole and that the
	// program has not taken; negative: it has.
	Completed(n int64)
	// Roomy tells whether connections hold so little that windows may grow.
	Roomy() bool
	// Hungry tells that the connection waits for an extension: Sweep and Serve are to be called.
	Hungry()
}

// reserve takes n bytes from the budget, for an extension or as debt.
func (c *Conn) reserve(n int64) bool {
	b := c.cfg.Budget
	if b == nil {
		return true
	}
	if !b.Reserve(n) {
		return false
	}
	c.claimed += n
	return true
}

// settleBudget makes what the connection has claimed of the budget what it holds: extensions that have not
// come back, and what was given on top.
func (c *Conn) settleBudget() {
	c.forgiven = min(c.forgiven, c.debt)
	if c.cfg.Budget == nil || c.claimed == c.extras+c.debt-c.forgiven {
		return
	}
	n := c.claimed - c.extras - c.debt + c.forgiven
	c.claimed -= n
	c.cfg.Budget.Release(n)
}

// setWhole notes that n bytes of the extensions of s belong to messages that are whole, and that it is the program
// which has to take them.
func (c *Conn) setWhole(s *Stream, n int64) {
	if c.cfg.Budget != nil && n != s.whole {
		c.cfg.Budget.Completed(n - s.whole)
		s.whole = n
	}
}

// leaveBudget gives everything back, debt as well: nothing will come any more that could pay it.
func (c *Conn) leaveBudget() {
	if c.cfg.Budget == nil {
		return
	}
	c.cfg.Budget.Release(c.claimed)
	c.claimed, c.cfg.Budget = 0, nil
}

func (c *Conn) hungry() {
	if c.cfg.Budget != nil {
		c.cfg.Budget.Hungry()
	}
}

// Held returns about how much memory the connection holds but for what the budget was asked for: received
// bytes that the program has not given back, and its streams.
func (c *Conn) Held() int64 { return max(0, c.held-c.claimed) + int64(len(c.streams))*streamCost }

// Received returns how many bytes came that the program has not given back.
func (c *Conn) Received() int64 { return c.held }

// streamCost is what an open stream takes besides its messages, measured with 2,500 calls that wait.
const streamCost = 3 << 10

// IsHungry tells whether a stream waits for an extension.
func (c *Conn) IsHungry() bool {
	if len(c.wanting) > 0 || c.recvWindow >= stuckWindow {
		return len(c.wanting) > 0
	}
	s := c.oldest()
	return s != nil && s.need > min(s.recvWindow, c.recvWindow)
}

// Serve tries to extend the windows of one stream that waits.
func (c *Conn) Serve() {
	c.unstick()
	if s := c.oldest(); s != nil && s.waiting {
		before := s.need - s.recvWindow
		if c.grant(s) && before > 0 {
			return
		}
	}
	c.grantFirst()
}

// Swept is what Sweep found.
type Swept struct {
	Moved   bool      // something went on since the last time
	Stuck   bool      // nothing did for long enough that others should not be made to wait for it
	Refuse  []*Stream // wait, and may be refused if nobody has looked at them
	Stalled *Stream   // holds what others wait for, and did not go on: may be refused likewise
	GiveUp  bool      // Stalled did not for so long that it is to be given up if it cannot be refused
}

// Sweep looks whether what others wait for goes on. Call it a few times a second while a connection that
// shares the budget is hungry, with the time in nanoseconds.
func (c *Conn) Sweep(now int64) (v Swept) {
	if c.moved != c.swept {
		c.swept, c.movedAt = c.moved, now
		v.Moved = true
		return v
	}
	s, idle := c.holder(), now-c.movedAt
	if s == nil && idle >= stallAfter {
		// Window that a message had and did not use, and nothing comes that could use it: others may be given as much.
		c.forgiven = c.debt
		c.settleBudget()
	}
	if idle < serveAfter || s == nil {
		return v
	}
	v.Stuck = c.claimed > 0
	if len(c.wanting) > 0 {
		c.extrasRaised = true
	}
	if idle < stallAfter {
		return v
	}
	for _, s := range c.wanting {
		if s.IsWaiting() {
			v.Refuse = append(v.Refuse, s)
		}
	}
	v.Refuse = v.Refuse[len(v.Refuse)/2:]
	if s.extra > 0 || c.debt > 0 {
		v.Stalled = s
		v.GiveUp = idle >= giveUpAfter
	}
	return v
}

// Excuse is for a connection that can do nothing but wait for what others hold: instead of Sweep.
func (c *Conn) Excuse(now int64) { c.swept, c.movedAt = c.moved, now }

// Spare gives the connection time to go on after some of its streams were cut: serveAfter, or if it was the
// one that held what others wait for, stallAfter until the next is given up. What the streams gave back is no progress.
func (c *Conn) Spare(now int64, holder bool) {
	c.swept, c.movedAt = c.moved, now-(stallAfter-serveAfter)
	if holder {
		c.movedAt = now - (giveUpAfter - stallAfter)
	}
}

// holder is the oldest incomplete message that holds an extension, or the oldest of all if none does.
func (c *Conn) holder() *Stream {
	for _, s := range c.assembling {
		if s.extra > 0 && s.need > 0 && !s.Closed && !s.RemoteClosed {
			return s
		}
	}
	return c.oldest()
}

// Lacking tells whether a message of s has begun and not come whole.
func (s *Stream) Lacking() bool { return s.need > 0 }

// IsWaiting tells whether s waits for an extension of its window.
func (s *Stream) IsWaiting() bool { return s.waiting && s.need > 0 && !s.Closed && !s.RemoteClosed }
