package channel

import (
	"log/slog"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/brief"
)

// A target may list thousands of addresses, all of which may fail at once and again: lines in the
// log are few and short.
const (
	maxBrief   = 128 // bytes of a target in texts
	maxLogText = 512 // bytes of an error in the log
	logBurst   = 10  // lines of one reason at once
)

// logFailure logs a failure to resolve or connect, or the loss of a connection.
func (c *Channel) logFailure(level slog.Level, msg string, f *connectivity.Failure) {
	if !c.cfg.Logger.Enabled(c.ctx, level) {
		return
	}
	suppressed, ok := c.logs.Allow(string(f.Reason))
	if !ok {
		return
	}
	attrs := []any{"target", c.name}
	if f.Address != "" {
		attrs = append(attrs, "address", brief.Text(f.Address, maxBrief))
	}
	attrs = append(attrs, "reason", string(f.Reason), "error", brief.Text(f.Error(), maxLogText))
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed) // lines of this reason that were left out before this one
	}
	c.cfg.Logger.Log(c.ctx, level, msg, attrs...)
}
