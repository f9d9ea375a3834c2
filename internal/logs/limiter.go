// Package logs limits the log lines that peers can cause. What is counted is counted elsewhere; a
// line is for someone who looks for the cause, and needs the first and some of those that follow.
package logs

import (
	"sync"
	"time"
)

// Period is the time in which one more line of a reason may be logged.
const Period = 10 * time.Second

// mostReasons bounds the reasons that are told apart. Those that are not known then share one
// limit.
const mostReasons = 1000

// A Limiter limits the lines of each reason: Burst at once, and one more each Period. Safe for
// concurrent use.
type Limiter struct {
	// Burst is how many lines of a reason may follow each other, 0: one. It is set before the first
	// use.
	Burst int

	mu sync.Mutex // a leaf lock
	// guarded by mu
	reasons map[string]*pace
}

// pace is what has been logged for one reason.
type pace struct {
	since      time.Time // when the burst was full
	lines      int       // since then
	suppressed uint64    // lines left out since the last one
}

// Allow reports whether a line of the reason may be logged now, and how many were left out since
// the last one.
func (l *Limiter) Allow(reason string) (suppressed uint64, ok bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paceLocked(reason, now)
	if earned := int(now.Sub(p.since) / Period); earned > 0 {
		p.lines = max(p.lines-earned, 0)
		p.since = p.since.Add(time.Duration(earned) * Period)
		if p.lines == 0 {
			p.since = now // a pause is not saved up
		}
	}
	if p.lines >= max(l.Burst, 1) {
		p.suppressed++
		return 0, false
	}
	p.lines++
	suppressed, p.suppressed = p.suppressed, 0
	return suppressed, true
}

func (l *Limiter) paceLocked(reason string, now time.Time) *pace {
	if p := l.reasons[reason]; p != nil {
		return p
	}
	if l.reasons == nil {
		l.reasons = make(map[string]*pace)
	}
	if len(l.reasons) >= mostReasons {
		if reason = ""; l.reasons[reason] != nil {
			return l.reasons[reason]
		}
	}
	p := &pace{since: now}
	l.reasons[reason] = p
	return p
}
