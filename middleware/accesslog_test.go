package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/middleware"
	"github.com/naru-rpc/naru/status"
)

// lines collects what a logger writes.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

// take returns the lines so far.
func (l *lines) take(t *testing.T) (all []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		m := map[string]any{}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, m)
	}
	l.buf.Reset()
	return all
}

func (l *lines) one(t *testing.T) map[string]any {
	t.Helper()
	all := l.take(t)
	if len(all) != 1 {
		t.Fatalf("%d lines: %v, want one", len(all), all)
	}
	return all[0]
}

func wantAttrs(t *testing.T, line map[string]any, want map[string]any) {
	t.Helper()
	for k, v := range want {
		if line[k] != v {
			t.Errorf("%s is %#v, want %#v (line: %v)", k, line[k], v, line)
		}
	}
}

func TestAccessLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server, client lines
		h := func(ctx context.Context, m *text) (*text, error) {
			switch m.Value {
			case "fail":
				return nil, status.Error(codes.NotFound, "no such thing\nlevel=ERROR forged \u2028 \x1b[31m")
			case "slow":
				<-ctx.Done()
				return nil, ctx.Err()
			case "panic":
				panic("x")
			}
			time.Sleep(20 * time.Millisecond)
			return m, nil
		}
		in := func(l *lines) naru.Interceptor {
			return middleware.AccessLog(middleware.AccessLogConfig{Logger: l.logger()})
		}
		c := serve(t, h, on(in(&server)), naru.WithInterceptors(in(&client)))

		ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
		if _, err := invoke(ctx, c, put, "hello"); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"level": "INFO", "msg": "call", "method": "/test.Store/Put", "kind": "unary", "code": "OK",
			"trace_id": "0123456789abcdef0123456789abcdef", "received_messages": 1.0, "received_bytes": 7.0, "sent_bytes": 7.0, "sent_messages": 1.0}
		s, cl := server.one(t), client.one(t)
		wantAttrs(t, s, want)
		wantAttrs(t, cl, want)
		wantAttrs(t, s, map[string]any{"side": "server"})
		wantAttrs(t, cl, map[string]any{"side": "client"})
		if d := s["duration"].(float64); d < 20e6 || d > 30e6 || s["peer"] == nil {
			t.Errorf("duration %v, peer %v", d, s["peer"])
		}

		_, _ = invoke(t.Context(), c, put, "fail")
		for _, line := range []map[string]any{server.one(t), client.one(t)} {
			wantAttrs(t, line, map[string]any{"level": "INFO", "code": "NOT_FOUND", "ended_by": "server",
				"error": `no such thing\nlevel=ERROR forged \u2028 \x1b[31m`})
		}

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = invoke(short, c, put, "slow")
		cancel()
		synctest.Wait()
		for _, line := range []map[string]any{server.one(t), client.one(t)} {
			wantAttrs(t, line, map[string]any{"ended_by": "deadline"})
			if line["side"] == "client" { // the server may be told by the client first, and then says CANCELLED
				wantAttrs(t, line, map[string]any{"level": "WARN", "code": "DEADLINE_EXCEEDED"})
			}
			if left := line["deadline_left"].(float64); left > 0 {
				t.Errorf("deadline_left %v", left)
			}
		}

		gone, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); cancel() }()
		_, _ = invoke(gone, c, put, "slow")
		synctest.Wait()
		for _, line := range []map[string]any{server.one(t), client.one(t)} {
			wantAttrs(t, line, map[string]any{"code": "CANCELLED", "ended_by": "client"})
		}

		_, _ = invoke(t.Context(), c, put, "panic")
		wantAttrs(t, server.one(t), map[string]any{"level": "ERROR", "code": "INTERNAL"})

		client.take(t)
		if _, err := drain(t.Context(), c, "a b c"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantAttrs(t, server.one(t), map[string]any{"kind": "server stream", "sent_messages": 3.0, "received_messages": 1.0})
		wantAttrs(t, client.one(t), map[string]any{"kind": "server stream", "sent_messages": 1.0, "received_messages": 3.0})
	})
}

func TestAccessLogSampling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lines
		in := middleware.AccessLog(middleware.AccessLogConfig{Logger: l.logger(), Slow: time.Second,
			Sample: func(c codes.Code) float64 {
				if c == codes.OK {
					return 0
				}
				return 1
			}})
		c := serve(t, func(_ context.Context, m *text) (*text, error) {
			if m.Value == "slow" {
				time.Sleep(2 * time.Second)
			}
			if m.Value == "fail" {
				return nil, errors.New("no")
			}
			return m, nil
		}, on(in))
		for range 100 {
			_, _ = invoke(t.Context(), c, put, "x")
		}
		_, _ = invoke(t.Context(), c, put, "fail")
		_, _ = invoke(t.Context(), c, put, "slow")
		all := l.take(t)
		if len(all) != 2 || all[0]["code"] != "UNKNOWN" || all[1]["slow"] != true {
			t.Errorf("got %v, want the failure and the slow call", all)
		}
	})
}

func TestAccessLogPayloads(t *testing.T) {
	var l lines
	in := middleware.AccessLog(middleware.AccessLogConfig{Logger: l.logger(),
		Payloads: middleware.PayloadConfig{Enabled: true, MaxBytes: 60, MaxMessages: 2}})
	c := serve(t, echo, on(in))
	if _, err := invoke(t.Context(), c, put, "two\nlines \x1b[0m"); err != nil {
		t.Fatal(err)
	}
	line := l.one(t)
	if got := line["received"].([]any); len(got) != 1 || got[0] != `{value:"two\nlines \x1b[0m"}` {
		t.Errorf("received %q", got)
	}
	if _, err := drain(t.Context(), c, "a b c "+strings.Repeat("x", 100000)); err != nil {
		t.Fatal(err)
	}
	line = l.one(t)
	if got := line["sent"].([]any); len(got) != 2 || got[1] != `{value:"b"}` {
		t.Errorf("sent %q, want the first two", got)
	}
	if got := line["received"].([]any)[0].(string); len(got) > 120 || !strings.HasSuffix(got, "...") {
		t.Errorf("received has %d bytes: %q", len(got), got)
	}

	masked := middleware.AccessLog(middleware.AccessLogConfig{Logger: l.logger(),
		Payloads: middleware.PayloadConfig{Enabled: true, Mask: []string{"google.protobuf.StringValue.value"}}})
	c = serve(t, echo, on(masked))
	if _, err := invoke(t.Context(), c, put, "secret"); err != nil {
		t.Fatal(err)
	}
	if got := l.one(t)["sent"].([]any); got[0] != "{value:[redacted]}" {
		t.Errorf("sent %q", got)
	}
}
