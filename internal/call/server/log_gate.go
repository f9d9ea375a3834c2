package server

import (
	"sync/atomic"
	"time"
)

// logPeriod is the time between two log lines of one kind that peers can cause.
const logPeriod = 10 * time.Second

// A logGate lets one log line of a kind pass in each logPeriod: what peers can cause must not fill a log. What is
// counted is counted elsewhere. The zero value is ready. Safe for concurrent use.
type logGate struct{ next atomic.Int64 } // Unix nanoseconds

func (g *logGate) allow(now time.Time) bool {
	next := g.next.Load()
	return now.UnixNano() >= next && g.next.CompareAndSwap(next, now.Add(logPeriod).UnixNano())
}
