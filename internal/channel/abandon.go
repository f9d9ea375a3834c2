package channel

import "time"

// abandonCheck is how often an abandoned channel looks whether its last call has ended.
const abandonCheck = 10 * time.Second

// Abandon closes the channel when no call is under way any more: its user has dropped it without
// Close, but streams that were begun may still be in use.
func (c *Channel) Abandon() { c.loop.do(c.abandon) }

func (c *Channel) abandon() {
	if c.done {
		return
	}
	if c.waiting.Load() == 0 && !c.callsUnderWay() {
		c.shutdown()
		return
	}
	c.afterFunc(abandonCheck, c.abandon)
}
