package middleware_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/middleware"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestRequestID(t *testing.T) {
	var seen atomic.Pointer[string]
	c := serve(t, func(ctx context.Context, m *text) (*text, error) {
		id := middleware.RequestIDFrom(ctx)
		seen.Store(&id)
		return m, nil
	}, on(middleware.RequestID(middleware.RequestIDConfig{})))
	for sent, kept := range map[string]bool{
		"order-7/a": true, "": false, "a\u00a0b": false, "a b": false, strings.Repeat("x", 129): false, strings.Repeat("x", 128): true,
	} {
		ctx := t.Context()
		if sent != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", sent)
		}
		var header metadata.MD
		if _, err := invoke(ctx, c, put, "x", naru.CaptureHeader(&header)); err != nil {
			if strings.ContainsRune(sent, '\u00a0') {
				continue // metadata that cannot be sent at all
			}
			t.Fatal(err)
		}
		id := *seen.Load()
		if (id == sent) != kept || id == "" {
			t.Errorf("sent %q: the handler has id %q, want the same: %v", sent, id, kept)
		}
		if got := header["x-request-id"]; len(got) != 1 || got[0] != id {
			t.Errorf("sent %q: response header has %q, want %q", sent, got, id)
		}
	}
}

func TestRequestIDTravelsOn(t *testing.T) {
	ids := middleware.RequestID(middleware.RequestIDConfig{New: func() string { return "made" }})
	var back string
	behind := serve(t, func(ctx context.Context, m *text) (*text, error) {
		back = middleware.RequestIDFrom(ctx)
		return m, nil
	}, on(ids), naru.WithInterceptors(ids))
	front := serve(t, func(ctx context.Context, m *text) (*text, error) {
		_, err := invoke(ctx, behind, put, m.Value)
		return m, err
	}, on(ids))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "first")
	if _, err := invoke(ctx, front, put, "x"); err != nil || back != "first" {
		t.Errorf("the server behind has id %q, %v; want that of the request", back, err)
	}
	if _, err := invoke(t.Context(), behind, put, "x"); err != nil || back != "made" {
		t.Errorf("a call outside of a request has id %q, %v; want a new one", back, err)
	}
}

func TestRecover(t *testing.T) {
	var inner error // what the interceptor around sees
	outer := func(ctx context.Context, _ *naru.Call, next func(context.Context) error) error {
		inner = next(ctx)
		return inner
	}
	boom := func(context.Context, *text) (*text, error) { panic("secret") }
	for name, tc := range map[string]struct {
		hook func(context.Context, *naru.Call, middleware.Panic) error
		want codes.Code
	}{
		"none": {nil, codes.Internal},
		"own status": {func(_ context.Context, _ *naru.Call, p middleware.Panic) error {
			if p.Value != "secret" || !strings.Contains(string(p.Stack), "TestRecover") {
				t.Errorf("hook got %v and a stack of %d bytes", p.Value, len(p.Stack))
			}
			return status.Error(codes.DataLoss, "broken")
		}, codes.DataLoss},
		"nil":   {func(context.Context, *naru.Call, middleware.Panic) error { return nil }, codes.Internal},
		"panic": {func(context.Context, *naru.Call, middleware.Panic) error { panic("again") }, codes.Internal},
	} {
		c := serve(t, boom, on(outer, middleware.Recover(tc.hook)))
		_, err := invoke(t.Context(), c, put, "x")
		wantCode(t, name, err, tc.want)
		wantCode(t, name+": interceptor around", inner, tc.want)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the client is told %q", name, err)
		}
	}
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, m *text) (*text, error) {
			select {
			case <-time.After(time.Minute):
				return m, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		in := middleware.Timeouts(middleware.TimeoutsConfig{
			Default: middleware.Timeout{Max: time.Second, Min: 10 * time.Millisecond},
			Methods: map[string]middleware.Timeout{get.FullMethod: {Max: 2 * time.Second}},
		})
		for side, c := range map[string]*naru.Client{
			"server": serve(t, slow, on(in)),
			"client": serve(t, slow, nil, naru.WithInterceptors(in)),
		} {
			for _, tc := range []struct {
				m    *naru.MethodInfo
				own  time.Duration
				want time.Duration
			}{{put, 0, time.Second}, {get, 0, 2 * time.Second}, {put, 500 * time.Millisecond, 500 * time.Millisecond},
				{put, time.Hour, time.Second}, {put, 5 * time.Millisecond, 0}} {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if tc.own > 0 {
					ctx, cancel = context.WithTimeout(ctx, tc.own)
				}
				begin := time.Now()
				_, err := invoke(ctx, c, tc.m, "x")
				took := time.Since(begin)
				cancel()
				wantCode(t, side, err, codes.DeadlineExceeded)
				if took < tc.want || took > tc.want+5*time.Millisecond {
					t.Errorf("%s: %s with own timeout %v took %v, want %v", side, tc.m.Name(), tc.own, took, tc.want)
				}
				if tc.own == 0 && !strings.Contains(err.Error(), "middleware.Timeouts") && side == "server" {
					t.Errorf("%s: %v does not name the setting", side, err)
				}
			}
			if _, err := drain(t.Context(), c, "a b"); err != nil {
				t.Errorf("%s: stream: %v, want no bound", side, err)
			}
		}
	})
}

func TestLimitConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		work := func(_ context.Context, m *text) (*text, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(time.Second)
			return m, nil
		}
		c := serve(t, work, on(middleware.LimitConcurrency(middleware.ConcurrencyConfig{
			Max: 4, Waiting: 3, MaxWait: 1500 * time.Millisecond, MaxPerMethod: map[string]int{get.FullMethod: 1, watch.FullMethod: 0},
		})))
		codesOf := func(n int, m *naru.MethodInfo) map[codes.Code]int {
			var mu sync.Mutex
			got := map[codes.Code]int{}
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					_, err := invoke(t.Context(), c, m, "x")
					mu.Lock()
					got[status.Code(err)]++
					mu.Unlock()
				})
			}
			wg.Wait()
			return got
		}
		if got := codesOf(10, put); got[codes.OK] != 7 || got[codes.ResourceExhausted] != 3 || most.Load() != 4 {
			t.Errorf("10 calls: %v with %d at a time, want 7 OK, 3 RESOURCE_EXHAUSTED, 4 at a time", got, most.Load())
		}
		// One runs, one follows after a second, the others wait longer than they may.
		if got := codesOf(4, get); got[codes.OK] != 2 || got[codes.ResourceExhausted] != 2 {
			t.Errorf("4 calls of a method with one at a time: %v, want 2 OK, 2 RESOURCE_EXHAUSTED", got)
		}
		_, err := drain(t.Context(), c, "a")
		wantCode(t, "a method with limit 0", err, codes.ResourceExhausted)
		if got := codesOf(4, put); got[codes.OK] != 4 {
			t.Errorf("afterwards: %v, want 4 OK: a place was lost", got)
		}
	})
}

func TestLimitConcurrencyCanceledWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := middleware.LimitConcurrency(middleware.ConcurrencyConfig{Max: 1, Waiting: 100})
		c := serve(t, func(_ context.Context, m *text) (*text, error) { time.Sleep(time.Second); return m, nil }, on(in))
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Millisecond)
				defer cancel()
				_, _ = invoke(ctx, c, put, "x")
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		if _, err := invoke(t.Context(), c, put, "x"); err != nil {
			t.Errorf("after waiters that gave up: %v", err)
		}
	})
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := middleware.Faults(middleware.FaultsConfig{Header: "x-fault", MaxDelay: 3 * time.Second,
			Methods: map[string]middleware.Fault{get.FullMethod: {Abort: codes.Unavailable}}})
		c := serve(t, echo, on(in))
		with := func(f string) context.Context { return metadata.AppendToOutgoingContext(t.Context(), "x-fault", f) }
		_, err := invoke(t.Context(), c, get, "x", naru.WithoutRetry())
		wantCode(t, "by method", err, codes.Unavailable)
		_, err = invoke(with("abort=NOT_FOUND"), c, get, "x")
		wantCode(t, "by header", err, codes.NotFound)
		begin := time.Now()
		_, err = invoke(with("delay=1h"), c, put, "x")
		if took := time.Since(begin); err != nil || took < 3*time.Second || took > 4*time.Second {
			t.Errorf("delay: %v after %v, want nil after 3s", err, took)
		}
		_, err = invoke(with("abort=nonsense"), c, put, "x")
		wantCode(t, "malformed", err, codes.InvalidArgument)
		words, err := drain(with("truncate=2"), c, "a b c d")
		wantCode(t, "truncate", err, codes.Aborted)
		if len(words) != 2 {
			t.Errorf("truncate=2: %d messages", len(words))
		}
		if words, err := drain(with("truncate=4"), c, "a b c d"); err != nil || len(words) != 4 {
			t.Errorf("truncate=4 of 4 messages: %v, %v", words, err)
		}
	})
}

func FuzzParseFault(f *testing.F) {
	for _, s := range []string{"delay=100ms,abort=UNAVAILABLE,truncate=3", "abort=14", "delay=-1s", "", "truncate=99999999999999999999", "delay=1s,delay=1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fault, err := middleware.ParseFault(s)
		if err != nil && fault != (middleware.Fault{}) || fault.Delay < 0 || fault.Truncate < 0 {
			t.Errorf("ParseFault(%q) = %+v, %v", s, fault, err)
		}
	})
}

func TestCache(t *testing.T) {
	for side := range map[string]bool{"server": true, "client": true} {
		t.Run(side, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testCache(t, side) })
		})
	}
}

func testCache(t *testing.T, side string) {
	cache := middleware.Cache(middleware.CacheConfig{TTL: time.Minute, MaxEntries: 3, MaxEntryBytes: 200, Vary: []string{"accept-language"}})
	var calls atomic.Int64
	h := func(ctx context.Context, m *text) (*text, error) {
		calls.Add(1)
		if m.Value == "fail" {
			return nil, errors.New("no")
		}
		if m.Value == "private" {
			_ = naru.SetHeader(ctx, metadata.Pairs("cache-control", "private, no-store"))
		}
		return wrapperspb.String("re " + m.Value), nil
	}
	c := serve(t, h, nil, naru.WithInterceptors(cache))
	if side == "server" {
		c = serve(t, h, on(cache))
	}
	want := func(why string, ctx context.Context, m *naru.MethodInfo, s string, n int64) {
		t.Helper()
		before := calls.Load()
		got, err := invoke(ctx, c, m, s)
		if s != "fail" && (err != nil || got != "re "+s) {
			t.Errorf("%s: %q, %v", why, got, err)
		}
		if made := calls.Load() - before; made != n {
			t.Errorf("%s: the handler ran %d times, want %d", why, made, n)
		}
	}
	ctx := t.Context()
	want("first", ctx, get, "a", 1)
	want("again", ctx, get, "a", 0)
	want("method with side effects", ctx, put, "a", 1)
	want("method with side effects, again", ctx, put, "a", 1)
	want("other request", ctx, get, "b", 1)
	german := metadata.AppendToOutgoingContext(ctx, "accept-language", "de")
	want("other language", german, get, "a", 1)
	want("other language, again", german, get, "a", 0)
	want("first, used last but one", ctx, get, "a", 0)
	secret := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer x")
	want("with credentials", secret, get, "a", 1)
	want("fourth entry", ctx, get, "c", 1)
	want("least recently used is gone", ctx, get, "b", 1)
	want("failure", ctx, get, "fail", 1)
	want("failure, again", ctx, get, "fail", 1)
	want("no-store", ctx, get, "private", 1)
	want("no-store, again", ctx, get, "private", 1)
	want("large", ctx, get, strings.Repeat("x", 150), 1)
	want("large, again", ctx, get, strings.Repeat("x", 150), 1)
	want("c", ctx, get, "c", 0)
	time.Sleep(2 * time.Minute)
	want("too old", ctx, get, "c", 1)
}
