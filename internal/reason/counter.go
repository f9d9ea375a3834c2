package reason

import "sync"

// A Counter counts by code. The zero value is ready. Safe for concurrent use.
type Counter struct {
	mu     sync.Mutex // a leaf lock
	counts map[Code]uint64
}

// Add counts one more.
func (c *Counter) Add(code Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[Code]uint64)
	}
	c.counts[code]++
}

// Counts returns a copy of the counts as users see them, never nil.
func (c *Counter) Counts() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := make(map[string]uint64, len(c.counts))
	for code, n := range c.counts {
		m[string(code)] = n
	}
	return m
}
