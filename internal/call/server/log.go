package server

import (
	"context"
	"log/slog"
)

// Log logs a line that a peer can cause, unless too many of the reason were logged lately. It adds the method, the peer's
// address and how many lines were left out.
func (c *Call) Log(level slog.Level, reason, text string, attrs ...any) {
	c.log(c.env.Logger, level, reason, text, attrs...)
}

func (c *Call) log(l *slog.Logger, level slog.Level, reason, text string, attrs ...any) {
	if !l.Enabled(context.Background(), level) {
		return
	}
	suppressed, ok := c.env.Logs.Allow(reason)
	if !ok {
		return
	}
	attrs = append([]any{"method", c.path, "peer", c.conn.Peer()}, attrs...)
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	l.Log(context.Background(), level, text, attrs...)
}
