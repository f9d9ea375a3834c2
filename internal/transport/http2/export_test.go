package http2

import "fmt"

func (c *conn) DumpForTesting() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("writer=%v batch=%v err=%v out=%d streams=%d held=%d", c.out.phase, c.inBatch, c.err, len(c.h.Out), c.h.Open(), c.h.Held())
}

// Held returns how many received bytes the connections have told that they hold.
func (c *ServerConfig) Held() int64 {
	c.resolved()
	return c.memory.held.Load()
}
