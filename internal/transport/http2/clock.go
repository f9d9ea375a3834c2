package http2

import "time"

// clock is the time in nanoseconds since the connection began, on a clock that is never set, unlike
// the time of day: limits on rates and times without an answer must not see a clock that is set
// back, or forth, as hours gone by. It is never 0, which stands for "never".
func (c *conn) clock() int64 { return c.nanos(time.Now()) }

// nanos is t, a time this process has read, on that clock.
func (c *conn) nanos(t time.Time) int64 { return int64(t.Sub(c.epoch)) + int64(time.Second) }
