package h2

import "fmt"

// Dump describes the state in one line a stream, for logs.
func (c *Conn) Dump() string {
	s := fmt.Sprintf("send window %d, holds %d, ready %v", c.sendWindow, c.Held(), c.ready.head != nil)
	for _, st := range c.streams {
		s += fmt.Sprintf("\n  stream %d: send window %d, receive %v, queued %d, ready %v, closed local %v remote %v, end queued %v",
			st.ID, st.sendWindow, &st.recv, st.queued, st.ready, st.LocalClosed, st.RemoteClosed, st.endQueued)
	}
	return s
}
