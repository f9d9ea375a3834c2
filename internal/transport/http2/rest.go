package http2

import (
	"errors"
	"os"
	"time"
)

// A stack that has grown stays so: the runtime halves it only when less than a quarter is in use, red zone included. The
// read loop's doubles with its first call, which is a fifth of what an idle connection takes. So a loop that has had
// nothing to read for Limits.Rest leaves its place to a new goroutine, whose stack grows when something comes.
//
// It learns of that time through the read deadline, which is set once and then looked at: a busy connection pays nothing for a
// read. It is woken after Limits.Rest, then after twice that, and so on up to once in restRarely times that.

const restRarely = 12

// armRest sets the deadline after which the loop is to look whether the connection rests. In place of any other.
func (c *conn) armRest() {
	c.restWait = c.limits.Rest
	var t time.Time
	if c.limits.Rest < never && (c.raw != nil || c.spill != nil) {
		t = time.Now().Add(c.limits.Rest)
	}
	c.setReadDeadline(t)
}

// restDue tells whether err is the end of that time, and nothing else.
func (c *conn) restDue(err error) bool {
	if c.restWait == 0 || c.slow || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && c.writeErr == nil
}

// rest hands the read loop over if nothing has come for Limits.Rest, and tells whether it has.
func (c *conn) rest() bool {
	now := time.Now()
	if quiet := time.Duration(c.nanos(now) - c.now); quiet < c.limits.Rest {
		left := c.limits.Rest - quiet
		if quiet < c.limits.Rest/2 { // likely, something will come again
			c.restWait = min(2*c.restWait, restRarely*c.limits.Rest)
			left = c.restWait
		}
		c.setReadDeadline(now.Add(left))
		return false
	}
	c.restWait = 0
	c.setReadDeadline(time.Time{})
	go c.readLoop()
	return true
}
