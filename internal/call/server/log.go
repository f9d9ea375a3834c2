package server

import (
	"context"
	"log/slog"

	"github.com/naru-rpc/naru/internal/reason"
)

// Log logs a line that a peer can cause, unless too many of the reason were logged lately. It adds
// the method, the peer's address and how many lines were left out.
func (c *Call) Log(level slog.Level, code reason.Code, text string, attrs ...any) {
	c.log(c.env.Logger, level, code, text, attrs...)
}

// logKey: what handlers do is limited for each method, since one that fails a lot must not hide
// others.
func (c *Call) logKey(code reason.Code) string {
	if code == reason.HandlerPanicked || code == reason.HandlerError {
		return string(code) + " " + c.method.FullMethod
	}
	return string(code)
}

func (c *Call) log(l *slog.Logger, level slog.Level, code reason.Code, text string, attrs ...any) {
	if !l.Enabled(context.Background(), level) {
		return
	}
	suppressed, ok := c.env.Logs.Allow(c.logKey(code))
	if !ok {
		return
	}
	attrs = append([]any{"method", c.path, "peer", c.conn.Peer()}, attrs...)
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	l.Log(context.Background(), level, text, attrs...)
}
