package naru_test

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

func TestRetryOptions(t *testing.T) {
	var n atomic.Int32
	e := handle(func(_ context.Context, m *text) (*text, error) {
		if n.Add(1) < 3 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		return m, nil
	})
	policy := serviceconfig.RetryPolicy{
		MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, BackoffMultiplier: 1,
		RetryableStatusCodes: []codes.Code{codes.Unavailable},
	}
	hedge := serviceconfig.HedgingPolicy{MaxAttempts: 3, HedgingDelay: time.Hour, NonFatalStatusCodes: []codes.Code{codes.Unavailable}}
	idempotent := &naru.MethodInfo{FullMethod: methodUnary.FullMethod, Idempotency: naru.Idempotent}
	overAll(t, e, func(t *testing.T, p *pair) {
		for _, tt := range []struct {
			name   string
			method *naru.MethodInfo
			opts   []naru.CallOption
			want   string
		}{
			{"default", methodUnary, nil, "UNAVAILABLE: not yet"},
			{"idempotent", idempotent, nil, "OK"},
			{"idempotent, not wanted", idempotent, []naru.CallOption{naru.WithoutRetry()}, "UNAVAILABLE: not yet"},
			{"policy", methodUnary, []naru.CallOption{naru.WithRetry(policy)}, "OK"},
			{"hedging", methodUnary, []naru.CallOption{naru.WithHedging(hedge)}, "OK"},
			{"the later option wins", methodUnary, []naru.CallOption{naru.WithRetry(policy), naru.WithoutRetry()}, "UNAVAILABLE: not yet"},
			{"one attempt", methodUnary, []naru.CallOption{naru.WithRetry(serviceconfig.RetryPolicy{MaxAttempts: 1})}, "INTERNAL: WithRetry: MaxAttempts is 1, want at least 2"},
			{"no backoff", methodUnary, []naru.CallOption{naru.WithRetry(serviceconfig.RetryPolicy{MaxAttempts: 2})}, "INTERNAL: WithRetry: backoff of 0s to 0s times 0: all must be positive"},
			{"hedging once", methodUnary, []naru.CallOption{naru.WithHedging(serviceconfig.HedgingPolicy{MaxAttempts: 1})}, "INTERNAL: WithHedging: 1 attempts, delay 0s: want at least 2 and no negative delay"},
		} {
			n.Store(0)
			err := p.Invoke(t.Context(), tt.method, str("x"), new(text), tt.opts...)
			if got := status.Convert(err).String(); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

// Interceptors and the status say how often a call was sent.
func TestAttemptsAreSeen(t *testing.T) {
	e := handle(func(context.Context, *text) (*text, error) { return nil, status.Error(codes.Unavailable, "down") })
	attempts := 0
	see := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		err := next(ctx)
		attempts = c.Attempts()
		return err
	}
	policy := serviceconfig.RetryPolicy{
		MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, BackoffMultiplier: 1,
		RetryableStatusCodes: []codes.Code{codes.Unavailable},
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "x", naru.WithRetry(policy))
		wantStatus(t, err, codes.Unavailable, "down (after 3 attempts)")
		if attempts != 3 {
			t.Errorf("the interceptor saw %d attempts", attempts)
		}
	}, clientOnly{naru.WithInterceptors(see)})
}

// Each attempt is told of twice: when it is sent and when it has ended.
func TestAttemptHooks(t *testing.T) {
	var j journal
	var n atomic.Int32
	e := func() *echo {
		fail := func() error {
			if n.Add(1) == 1 {
				return status.Error(codes.Unavailable, "not yet")
			}
			return nil
		}
		return &echo{
			unary: func(_ context.Context, m *text) (*text, error) { return m, fail() },
			client: func(s naru.ClientStreamingServer[text, text]) error {
				if err := fail(); err != nil {
					return err
				}
				return s.SendAndClose(str("x"))
			},
		}
	}
	see := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		c.OnAttempt(func(a naru.Attempt) {
			if !a.Ended {
				j.add("%d sent", a.Number)
				return
			}
			j.add("%d %v", a.Number, status.Code(a.Err))
		})
		return next(ctx)
	}
	policy := serviceconfig.RetryPolicy{
		MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, BackoffMultiplier: 1,
		RetryableStatusCodes: []codes.Code{codes.Unavailable},
	}
	hedge := serviceconfig.HedgingPolicy{MaxAttempts: 3, HedgingDelay: time.Hour, NonFatalStatusCodes: []codes.Code{codes.Unavailable}}
	overAll(t, e, func(t *testing.T, p *pair) {
		for _, opt := range []naru.CallOption{naru.WithRetry(policy), naru.WithHedging(hedge)} {
			n.Store(0)
			if _, err := p.unary(t.Context(), "x", opt); err != nil {
				t.Fatal(err)
			}
			j.want(t, "unary", "1 sent", "1 UNAVAILABLE", "2 sent", "2 OK")
		}
		n.Store(0)
		s, err := stub.NewClientStreamingClient[text, text](t.Context(), p, methodClient, naru.WithRetry(policy))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CloseAndRecv(); err != nil {
			t.Fatal(err)
		}
		j.want(t, "client stream", "1 sent", "1 UNAVAILABLE", "2 sent", "2 OK")
	}, clientOnly{naru.WithInterceptors(see)})
}

// A client that is dropped without Close while a call pauses before a retry is kept by the call,
// which ends as it would have otherwise.
func TestDroppedClientIsKeptByItsCalls(t *testing.T) {
	var n atomic.Int32
	p := start(t, "http2", &echo{unary: func(context.Context, *text) (*text, error) {
		return nil, status.Errorf(codes.Unavailable, "time %d", n.Add(1))
	}})
	policy := serviceconfig.RetryPolicy{
		MaxAttempts: 2, InitialBackoff: 300 * time.Millisecond, MaxBackoff: time.Second, BackoffMultiplier: 1,
		RetryableStatusCodes: []codes.Code{codes.Unavailable},
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.srv.Serve(lis) }() // ends with the server
	dropped := make(chan error, 1)       // capacity 1: one result
	go func() {
		c, err := naru.NewClient("passthrough:///"+lis.Addr().String(), naru.WithPlaintext(), naru.WithLogger(quiet))
		if err == nil {
			err = c.Invoke(t.Context(), methodUnary, str("x"), new(text), naru.WithRetry(policy))
		}
		dropped <- err
	}()
	for {
		select {
		case err := <-dropped:
			wantStatus(t, err, codes.Unavailable, "time 2 (after 2 attempts; the attempt before: UNAVAILABLE: time 1)")
			return
		default:
			runtime.GC()
		}
	}
}
