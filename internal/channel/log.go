package channel

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/naru-rpc/naru/connectivity"
)

// A target may list thousands of addresses, all of which may fail at once and again: lines in the log are few and short.
const (
	maxBrief   = 128              // bytes of a target in texts
	maxLogText = 512              // bytes of an error in the log
	logBurst   = 10               // lines of one reason at once
	logEvery   = 10 * time.Second // one more line of a reason
)

// brief shortens a text to about n bytes, and says how long it was.
func brief(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:cut], "?"), len(s))
}

// paceLog limits the lines of each reason. The zero value is ready.
type paceLog struct {
	mu sync.Mutex // a leaf lock
	// guarded by mu
	reasons map[connectivity.Reason]*logPace
}

// logPace is what has been logged for one reason.
type logPace struct {
	since      time.Time // when the burst was full
	lines      int       // since then
	suppressed int       // lines left out since the last one
}

// allow reports whether another line of the reason may be logged, and how many were left out since the last one.
func (p *paceLog) allow(r connectivity.Reason, now time.Time) (suppressed int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.reasons[r]
	if l == nil {
		if p.reasons == nil {
			p.reasons = map[connectivity.Reason]*logPace{}
		}
		l = &logPace{since: now}
		p.reasons[r] = l
	}
	if earned := int(now.Sub(l.since) / logEvery); earned > 0 {
		l.lines = max(l.lines-earned, 0)
		l.since = l.since.Add(time.Duration(earned) * logEvery)
	}
	if l.lines >= logBurst {
		l.suppressed++
		return 0, false
	}
	l.lines++
	suppressed, l.suppressed = l.suppressed, 0
	return suppressed, true
}

// logFailure logs a failure to resolve or connect, or the loss of a connection.
func (c *Channel) logFailure(level slog.Level, msg string, f *connectivity.Failure) {
	if !c.cfg.Logger.Enabled(c.ctx, level) {
		return
	}
	suppressed, ok := c.pace.allow(f.Reason, time.Now())
	if !ok {
		return
	}
	attrs := []any{"target", c.name}
	if f.Address != "" {
		attrs = append(attrs, "address", brief(f.Address, maxBrief))
	}
	attrs = append(attrs, "reason", string(f.Reason), "error", brief(f.Error(), maxLogText))
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed) // lines of this reason that were left out before this one
	}
	c.cfg.Logger.Log(c.ctx, level, msg, attrs...)
}
