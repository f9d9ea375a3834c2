package naru_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// eventLog is a stats handler that writes down what it is told.
type eventLog struct {
	wants stats.Group

	mu    sync.Mutex
	lines []string
}

type ctxKey struct{}

func (l *eventLog) Wants() stats.Group { return l.wants }

func (l *eventLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// take returns the lines so far, sorted if the order is not given.
func (l *eventLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.lines, "\n")
	l.lines = nil
	return s
}

func (l *eventLog) BeginCall(ctx context.Context, c *stats.CallBegun) (context.Context, stats.Observer) {
	who := c.Side.String()
	l.add("%s begin %s registered=%v streams=%v/%v conn=%v", who, c.Method, c.Registered, c.ClientStreams, c.ServerStreams, c.Conn != nil)
	return context.WithValue(ctx, ctxKey{}, who), stats.ObserverFunc(func(e stats.Event) { l.event(who, e) })
}

func (l *eventLog) event(who string, e stats.Event) {
	switch e := e.(type) {
	case *stats.AttemptBegun:
		l.add("%s attempt %d transparent=%v hedged=%v", who, e.Number, e.Transparent, e.Hedged)
		e.Add("x-attempt", fmt.Sprint(e.Number))
		e.Add("not valid", "x")
		e.Observer = stats.ObserverFunc(func(e stats.Event) { l.event(who, e) })
	case *stats.AttemptSent:
		l.add("%s sent %d conn=%v", who, e.Number, e.Conn != nil)
	case *stats.Delayed:
	case *stats.HeaderReceived:
		l.add("%s header %d %v", who, e.Number, e.Header["x-header"])
	case *stats.MessageSent:
		l.add("%s message sent %d of %d bytes, %d on the wire", who, e.Number, e.Size, e.WireSize)
	case *stats.MessageReceived:
		l.add("%s message received %d of %d bytes, %d on the wire", who, e.Number, e.Size, e.WireSize)
	case *stats.AttemptEnded:
		l.add("%s attempt %d ended %v %s %d/%d", who, e.Number, status.Code(e.Err), e.Reason, e.Sent.Messages, e.Received.Messages)
	case *stats.CallEnded:
		l.add("%s ended %v %s %d/%d attempts=%d retries=%d transparent=%d hedges=%d", who, status.Code(e.Err), e.Reason,
			e.Sent.Messages, e.Received.Messages, e.Attempts, e.Retries, e.TransparentRetries, e.Hedges)
	default:
		l.add("%s %T", who, e)
	}
}

func (l *eventLog) want(t *testing.T, why string, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := l.take(); got != strings.Join(want, "\n") {
		t.Errorf("%s:\n got\n%s\nwant\n%s", why, got, strings.Join(want, "\n"))
	}
}

// statsHandlers is an echo whose handler does as the request says, and adds a header.
func statsHandlers(ctx context.Context, m *text) (*text, error) {
	if ctx.Value(ctxKey{}) != "server" {
		return nil, status.Error(codes.Internal, "the handler's context is not the one BeginCall returned")
	}
	attempt := naruHeader(ctx, "x-attempt")
	switch {
	case m.Value == "fail", m.Value == "once" && attempt == "1":
		return nil, status.Error(codes.Unavailable, "no")
	case m.Value == "hang", m.Value == "first hangs" && attempt == "1":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m, naru.SetHeader(ctx, metadata.Pairs("x-header", "h"))
}

func statsPair(t *testing.T, transport string, client, server stats.Handler, opts ...any) *pair {
	opts = append([]any{clientOnly{naru.WithStatsHandler(client)}, serverOnly{naru.WithStatsHandler(server)}}, opts...)
	return start(t, transport, &echo{unary: statsHandlers}, opts...)
}

func TestStatsOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := stats.Attempts | stats.Headers | stats.Messages
		c, s := &eventLog{wants: all}, &eventLog{wants: all}
		p := statsPair(t, "inproc", c, s)
		got, err := p.unary(t.Context(), "hello")
		wantText(t, got, err, "hello")
		c.want(t, "client", "client begin /test.Echo/Unary registered=true streams=false/false conn=false",
			"client message sent 1 of 7 bytes, 12 on the wire", "client attempt 1 transparent=false hedged=false", "client sent 1 conn=true",
			"client header 1 [h]", "client message received 1 of 7 bytes, 12 on the wire", "client attempt 1 ended OK  1/1",
			"client ended OK  1/1 attempts=1 retries=0 transparent=0 hedges=0")
		s.want(t, "server", "server begin /test.Echo/Unary registered=true streams=false/false conn=true",
			"server message received 1 of 7 bytes, 12 on the wire", "server message sent 1 of 7 bytes, 12 on the wire",
			"server ended OK  1/1 attempts=0 retries=0 transparent=0 hedges=0")
	})
}

func TestStatsOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := &eventLog{wants: stats.Attempts}, &eventLog{wants: stats.Calls}
		p := statsPair(t, "inproc", c, s)
		retry := naru.WithRetry(serviceconfig.RetryPolicy{MaxAttempts: 3, InitialBackoff: time.Second, MaxBackoff: time.Second,
			BackoffMultiplier: 1, RetryableStatusCodes: []codes.Code{codes.Unavailable}})
		got, err := p.unary(t.Context(), "once", retry)
		wantText(t, got, err, "once")
		begin := "client begin /test.Echo/Unary registered=true streams=false/false conn=false"
		c.want(t, "a retry", begin, "client attempt 1 transparent=false hedged=false", "client sent 1 conn=true", "client attempt 1 ended UNAVAILABLE status 1/0",
			"client attempt 2 transparent=false hedged=false", "client sent 2 conn=true", "client attempt 2 ended OK  1/1",
			"client ended OK  1/1 attempts=2 retries=1 transparent=0 hedges=0")

		hedge := naru.WithHedging(serviceconfig.HedgingPolicy{MaxAttempts: 2, HedgingDelay: time.Second})
		got, err = p.unary(t.Context(), "first hangs", hedge)
		wantText(t, got, err, "first hangs")
		synctest.Wait()
		lines := strings.Split(c.take(), "\n")
		for _, want := range []string{"client attempt 2 transparent=false hedged=true", "client attempt 1 ended CANCELLED canceled 1/0",
			"client attempt 2 ended OK  1/1", "client ended OK  1/1 attempts=2 retries=0 transparent=0 hedges=1"} {
			if !slices.Contains(lines, want) {
				t.Errorf("a hedge: %q is missing in\n%s", want, strings.Join(lines, "\n"))
			}
		}
		s.take()

		_, err = p.unary(t.Context(), "hang", naru.WithTimeout(time.Second))
		if status.Code(err) != codes.DeadlineExceeded {
			t.Fatal(err)
		}
		c.want(t, "a deadline", begin, "client attempt 1 transparent=false hedged=false", "client sent 1 conn=true",
			"client attempt 1 ended DEADLINE_EXCEEDED deadline 1/0", "client ended DEADLINE_EXCEEDED deadline 1/0 attempts=1 retries=0 transparent=0 hedges=0")
		if got := s.take(); !strings.Contains(got, "server ended DEADLINE_EXCEEDED deadline 0/1") {
			t.Errorf("a deadline on the server:\n%s", got)
		}

		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); cancel() }()
		_, _ = p.unary(ctx, "hang")
		synctest.Wait()
		if got := s.take(); !strings.Contains(got, "server ended CANCELLED canceled 0/1") {
			t.Errorf("a cancellation on the server:\n%s", got)
		}
		if got := c.take(); !strings.Contains(got, "client ended CANCELLED canceled 1/0") {
			t.Errorf("a cancellation on the client:\n%s", got)
		}
	})
}

func TestStatsOfStreamsAndUnknownMethods(t *testing.T) {
	for _, transport := range []string{"inproc", "http2"} {
		c, s := &eventLog{wants: stats.Attempts}, &eventLog{wants: stats.Calls}
		ended := make(chan bool, 10)
		p := statsPair(t, transport, c, s, serverOnly{naru.WithStatsHandler(endings(ended))})
		for kind, err := range callAllKinds(t.Context(), p) {
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		err := p.Invoke(t.Context(), &naru.MethodInfo{FullMethod: "/no.Such/Method", Generic: true}, str("x"), new(text))
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%v", err)
		}
		for range 5 {
			<-ended
		}
		client, server := c.take(), s.take()
		for _, want := range []string{"begin /no.Such/Method registered=false", "ended UNIMPLEMENTED status 1/0 attempts=1"} {
			if !strings.Contains(client, want) {
				t.Errorf("%s: %q is missing in\n%s", transport, want, client)
			}
		}
		for _, want := range []string{"begin /no.Such/Method registered=false", "ended UNIMPLEMENTED refused 0/0"} {
			if !strings.Contains(server, want) {
				t.Errorf("%s: %q is missing in\n%s", transport, want, server)
			}
		}
		if n := strings.Count(client, "client ended OK"); n != 4 {
			t.Errorf("%s: %d calls ended OK on the client, want 4:\n%s", transport, n, client)
		}
		if n := strings.Count(server, "server ended OK"); n != 4 {
			t.Errorf("%s: %d calls ended OK on the server, want 4:\n%s", transport, n, server)
		}
	}
}

// endings is a handler that sends one value for each call that has ended.
type endings chan bool

func (e endings) Wants() stats.Group { return stats.Calls }
func (e endings) BeginCall(ctx context.Context, _ *stats.CallBegun) (context.Context, stats.Observer) {
	return ctx, stats.ObserverFunc(func(ev stats.Event) {
		if _, ok := ev.(*stats.CallEnded); ok {
			e <- true
		}
	})
}

// TestStatsCountEveryCall: whatever becomes of calls, each that begins ends, once.
func TestStatsCountEveryCall(t *testing.T) {
	var begun, over [2]atomic.Int64
	count := func(side int) stats.Handler { return &counting{&begun[side], &over[side]} }
	synctest.Test(t, func(t *testing.T) {
		p := statsPair(t, "inproc", &eventLog{wants: stats.Attempts}, &eventLog{wants: stats.Calls},
			clientOnly{naru.WithStatsHandler(count(0))}, serverOnly{naru.WithStatsHandler(count(1))})
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
				defer cancel()
				_, _ = p.unary(ctx, []string{"ok", "fail", "hang"}[i%3])
				_ = callAllKinds(ctx, p)
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
	})
	for side := range begun {
		if b, o := begun[side].Load(), over[side].Load(); b != o || b < 300 {
			t.Errorf("side %d: %d calls begun, %d ended", side, b, o)
		}
	}
}

type counting struct{ begun, over *atomic.Int64 }

func (c *counting) Wants() stats.Group { return stats.Calls }
func (c *counting) BeginCall(ctx context.Context, _ *stats.CallBegun) (context.Context, stats.Observer) {
	c.begun.Add(1)
	return ctx, stats.ObserverFunc(func(stats.Event) { c.over.Add(1) })
}
