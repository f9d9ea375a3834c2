package h2

import "fmt"

// Dump describes the state in one line a stream, for logs.
func (c *Conn) Dump() string {
	s := fmt.Sprintf("send window %d, receive window %d (%d held), ready %v", c.sendWindow, c.recvWindow, c.recvHeld, c.readyHead != nil)
	for _, st := range c.streams {
		s += fmt.Sprintf("\n  stream %d: send window %d, receive window %d/%d (%d held), queued %d, ready %v, closed local %v remote %v, end queued %v",
			st.ID, st.sendWindow, st.recvWindow, st.recvTarget, st.recvHeld, st.queued, st.ready, st.LocalClosed, st.RemoteClosed, st.endQueued)
	}
	return s
}
