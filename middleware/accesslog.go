package middleware

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// AccessLogConfig says what is logged of calls.
type AccessLogConfig struct {
	// Logger takes the lines. nil: slog.Default() at the time of the call.
	Logger *slog.Logger
	// Level is the level of a call that ended with a code. nil: info for OK and what clients do
	// wrong, warn for UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, and error for
	// UNKNOWN, INTERNAL, DATA_LOSS, UNIMPLEMENTED.
	Level func(codes.Code) slog.Level
	// Sample is the part of the calls with a code that is logged, from 0 to 1. nil: all. Calls that
	// took longer than Slow are always logged.
	Sample func(codes.Code) float64
	// Slow is the duration from which a call is logged in any case, with "slow": true. 0 or
	// negative: none is slow.
	Slow time.Duration
	// TraceID returns the trace that the call belongs to, "" for none. nil: the trace-id of the W3C
	// "traceparent" that a server received or that the context of a client's call sends.
	TraceID func(ctx context.Context, call *naru.Call) string
	// Attrs returns further attributes. nil: none. It is called after the call has ended.
	Attrs func(ctx context.Context, call *naru.Call) []slog.Attr
	// Payloads logs messages too.
	Payloads PayloadConfig
}

// PayloadConfig says which messages are logged, and what of them is not.
type PayloadConfig struct {
	// Enabled turns messages on. Each is an attribute of the call's line, the first MaxMessages of
	// each direction.
	Enabled bool
	// MaxMessages of each direction. 0 or negative: 1.
	MaxMessages int
	// MaxBytes bounds the text of one message. 0 or negative: 1024.
	MaxBytes int
	// Mask are fields that are replaced by "[redacted]" besides those with the option debug_redact
	// in their .proto file: by full name ("shop.Card.number") or by name alone ("password"). The
	// contents of google.protobuf.Any and unknown fields are never logged.
	Mask []string
}

// AccessLog returns an interceptor that logs one line for each call when it has ended, on either
// side: method, kind, code, duration, peer, the number and size of messages, and what is known of
// request id, trace, attempts, the time left until the deadline, and which side ended the call.
// Calls of any kind are one line.
//
// Text that comes from peers is shortened, and its control characters and invalid bytes are
// escaped, whatever the slog.Handler does: it cannot forge lines.
func AccessLog(c AccessLogConfig) naru.Interceptor {
	if c.Level == nil {
		c.Level = accessLevel
	}
	if c.TraceID == nil {
		c.TraceID = traceID
	}
	mask := newMask(&c.Payloads)
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) (err error) {
		began, returned := time.Now(), false
		var payloads *payloadLog
		if c.Payloads.Enabled {
			payloads = watchPayloads(call, mask)
		}
		defer func() {
			if !returned { // a panic on its way to who recovers from it
				err = status.Error(codes.Internal, "panic")
			}
			c.log(ctx, call, began, err, payloads)
		}()
		err = next(ctx)
		returned = true
		return err
	}
}

func (c *AccessLogConfig) log(ctx context.Context, call *naru.Call, began time.Time, err error, payloads *payloadLog) {
	took := time.Since(began)
	err = withStatus(err)
	code := status.Code(err)
	slow := c.Slow > 0 && took >= c.Slow
	if !slow && c.Sample != nil && rand.Float64() >= c.Sample(code) {
		return
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.Default()
	}
	level := c.Level(code)
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 24)
	attrs = append(attrs,
		slog.String("side", call.Side().String()),
		slog.String("method", plainText(call.Method().FullMethod, 256)),
		slog.String("kind", call.Kind().String()),
		slog.String("code", code.String()),
		slog.Duration("duration", took),
	)
	if slow {
		attrs = append(attrs, slog.Bool("slow", true))
	}
	attrs = append(attrs, outcome(ctx, call, err)...)
	attrs = append(attrs, counts(call)...)
	if id := RequestIDFrom(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", plainText(id, 128)))
	}
	if id := c.TraceID(ctx, call); id != "" {
		attrs = append(attrs, slog.String("trace_id", plainText(id, 64)))
	}
	if c.Attrs != nil {
		attrs = append(attrs, c.Attrs(ctx, call)...)
	}
	if payloads != nil {
		attrs = append(attrs, payloads.attrs()...)
	}
	logger.LogAttrs(ctx, level, "call", attrs...)
}

// outcome is what is known of the end besides the code.
func outcome(ctx context.Context, call *naru.Call, err error) []slog.Attr {
	var attrs []slog.Attr
	if p := call.Peer(); p.Addr != nil {
		attrs = append(attrs, slog.String("peer", plainText(p.Addr.String(), 128)), slog.Uint64("connection", p.ConnectionID))
	}
	if n := call.Attempts(); call.Side() == stats.Client && n != 1 {
		attrs = append(attrs, slog.Int("attempts", n))
	}
	if d, ok := ctx.Deadline(); ok {
		attrs = append(attrs, slog.Duration("deadline_left", time.Until(d)))
	}
	if err == nil {
		return attrs
	}
	return append(attrs,
		slog.String("ended_by", endedBy(ctx, call, err)),
		slog.String("error", plainText(status.Convert(err).Message(), 512)))
}

// endedBy says which side chose the status of a call that failed.
func endedBy(ctx context.Context, call *naru.Call, err error) string {
	code := status.Code(err)
	server := call.Side() == stats.Server
	switch {
	case ctx.Err() != nil && late(ctx), code == codes.DeadlineExceeded && errors.Is(err, context.DeadlineExceeded):
		return "deadline" // a client whose deadline has passed cancels the call, which may come first
	case server && ctx.Err() != nil:
		return "client"
	case server:
		return "server"
	case code == codes.Canceled && ctx.Err() != nil:
		return "client"
	}
	if r, ok := status.Local[*connectivity.Report](err); ok {
		if r.Target != "" || r.Last != nil {
			return "connection"
		}
		if r.DeadlineBy != "" {
			return "deadline"
		}
	}
	if call.Attempts() == 0 {
		return "client"
	}
	return "server"
}

func late(ctx context.Context) bool {
	d, ok := ctx.Deadline()
	return ok && !time.Now().Before(d)
}

// withStatus makes of a handler's plain error the status that the client gets.
func withStatus(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.FromContextError(err).Err()
}

func counts(call *naru.Call) []slog.Attr {
	var attrs []slog.Attr
	add := func(name string, n stats.Count) {
		attrs = append(attrs, slog.Int(name+"_messages", n.Messages), slog.Int64(name+"_bytes", n.Bytes))
		if n.WireBytes != n.Bytes+5*int64(n.Messages) {
			attrs = append(attrs, slog.Int64(name+"_wire_bytes", n.WireBytes))
		}
	}
	add("received", call.Received())
	add("sent", call.Sent())
	return attrs
}

func accessLevel(c codes.Code) slog.Level {
	switch c {
	case codes.Unknown, codes.Internal, codes.DataLoss, codes.Unimplemented:
		return slog.LevelError
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// traceID reads the trace-id out of "traceparent" (W3C Trace Context §3.2: version "-" 32 digits
// "-" 16 digits "-" flags).
func traceID(ctx context.Context, call *naru.Call) string {
	v := call.RequestHeader(ctx)["traceparent"]
	if len(v) != 1 || len(v[0]) < 55 || v[0][2] != '-' || v[0][35] != '-' {
		return ""
	}
	id := v[0][3:35]
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return id
}

// payloadLog collects the messages of one call as text.
type payloadLog struct {
	mask *mask

	mu             sync.Mutex
	received, sent []string
}

func watchPayloads(call *naru.Call, m *mask) *payloadLog {
	p := &payloadLog{mask: m}
	call.OnReceive(func(msg any, _ naru.MessageInfo) error { p.add(&p.received, msg); return nil })
	call.OnSend(func(msg any) (any, error) { p.add(&p.sent, msg); return msg, nil })
	return p
}

func (p *payloadLog) add(to *[]string, m any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(*to) < p.mask.messages {
		*to = append(*to, p.mask.text(m))
	}
}

func (p *payloadLog) attrs() []slog.Attr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return []slog.Attr{slog.Any("received", p.received), slog.Any("sent", p.sent)}
}
