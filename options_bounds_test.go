package naru_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Limits.Handlers: as many handlers as it says run at a time on all connections together, and
// further calls wait.
func TestHandlersBelowAtAndAboveTheLimit(t *testing.T) {
	const limit = 3
	for _, calls := range []int{limit - 1, limit, limit + 1, 4 * limit} {
		t.Run(strconv.Itoa(calls), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t, "a:1")
				cl.bs[0].opts = []naru.ServerOption{naru.WithLimits(limits.Limits{Handlers: limit})}
				cl.up()
				var mu sync.Mutex
				running, most := 0, 0
				count := func(n int) {
					mu.Lock()
					defer mu.Unlock()
					running += n
					most = max(most, running)
				}
				cl.bs[0].does(func(context.Context, string) error {
					count(1)
					defer count(-1)
					<-time.After(time.Second)
					return nil
				})
				var clients []*naru.Client
				var all sync.WaitGroup
				began := time.Now()
				for range calls {
					c := cl.dial("passthrough:///a:1") // a connection each
					clients = append(clients, c)
					all.Go(func() {
						if _, err := (&pair{Client: c}).unary(t.Context(), "x"); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if most != min(calls, limit) {
					t.Errorf("%d handlers ran at a time, want %d", most, min(calls, limit))
				}
				if d, want := time.Since(began), time.Duration((calls+limit-1)/limit)*time.Second; d != want {
					t.Errorf("took %v, want %v", d, want)
				}
				cl.end(clients...)
			})
		})
	}
}

// Limits.MaxRetryDelay: what a server asks for is waited for up to the limit, in all.
func TestMaxRetryDelayBelowAtAndAbove(t *testing.T) {
	const limit = 4 * time.Second
	for _, tt := range []struct {
		push     []time.Duration // of the failures, one after another
		attempts int64
		took     time.Duration
		ok       bool
	}{
		{[]time.Duration{3999 * time.Millisecond}, 2, 3999 * time.Millisecond, true},
		{[]time.Duration{limit}, 2, limit, true},
		{[]time.Duration{4001 * time.Millisecond}, 1, 0, false},
		{[]time.Duration{2 * time.Second, 2 * time.Second}, 3, limit, true},
		{[]time.Duration{2 * time.Second, 2001 * time.Millisecond}, 2, 2 * time.Second, false},
	} {
		t.Run(fmt.Sprint(tt.push), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t, "a:1").up()
				cl.bs[0].does(func(context.Context, string) error {
					n := int(cl.bs[0].calls.Load()) - 1
					if n >= len(tt.push) {
						return nil
					}
					s, err := status.New(codes.Unavailable, "not now").WithDetails(retryAfter(tt.push[n]))
					if err != nil {
						return err
					}
					return s.Err()
				})
				c := cl.dial("passthrough:///a:1")
				began := time.Now()
				_, err := (&pair{Client: c}).unary(t.Context(), "x", naru.WithLimits(limits.Limits{MaxRetryDelay: limit}), naru.WithRetry(serviceconfig.RetryPolicy{
					MaxAttempts: 5, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, BackoffMultiplier: 1,
					RetryableStatusCodes: []codes.Code{codes.Unavailable},
				}))
				if (err == nil) != tt.ok || cl.bs[0].calls.Load() != tt.attempts {
					t.Errorf("%v after %d attempts, want %d and success: %t", err, cl.bs[0].calls.Load(), tt.attempts, tt.ok)
				}
				if d := time.Since(began); d < tt.took || d > tt.took+50*time.Millisecond {
					t.Errorf("took %v, want %v", d, tt.took)
				}
				cl.end(c)
			})
		})
	}
}

// A server's Keepalive finds a client that has vanished, and leaves one that answers alone. Without
// the option it takes two hours.
func TestServerKeepalive(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opts   []naru.ServerOption
		ping   time.Duration // after which the first ping comes
		gone   time.Duration // after which the connection is given up
		answer bool
	}{
		{"vanished", []naru.ServerOption{naru.WithKeepalive(naru.Keepalive{Interval: time.Minute, Timeout: 5 * time.Second})}, time.Minute, 65 * time.Second, false},
		{"answers", []naru.ServerOption{naru.WithKeepalive(naru.Keepalive{Interval: time.Minute, Timeout: 5 * time.Second})}, time.Minute, 0, true},
		{"by default", nil, 2 * time.Hour, 2*time.Hour + 20*time.Second, false},
		{"switched off", []naru.ServerOption{naru.WithKeepalive(naru.Keepalive{Interval: -1})}, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := script(t, &echo{}, nil, tt.opts...)
				c.call(1, methodUnary.FullMethod, "x")
				c.responses()
				if tt.ping == 0 {
					time.Sleep(24 * time.Hour)
					if n := c.srv.Stats().Connections; n != 1 {
						t.Errorf("%d connections after a day without pings", n)
					}
					return
				}
				time.Sleep(tt.ping - time.Second)
				if n := c.pings(); n != 0 {
					t.Errorf("%d pings before %v", n, tt.ping)
				}
				time.Sleep(2 * time.Second)
				if n := c.pings(); n != 1 {
					t.Fatalf("%d pings after %v, want 1", n, tt.ping)
				}
				if tt.answer {
					for range 10 {
						c.pong()
						time.Sleep(tt.ping + time.Second)
						if n := c.pings(); n != 1 {
							t.Fatalf("%d pings in the next interval, want 1", n)
						}
					}
					if n := c.srv.Stats().Connections; n != 1 {
						t.Errorf("%d connections to a client that answers", n)
					}
					return
				}
				time.Sleep(tt.gone - tt.ping - 2*time.Second)
				if n := c.srv.Stats().Connections; n != 1 {
					t.Errorf("%d connections before %v", n, tt.gone)
				}
				time.Sleep(2 * time.Second)
				if got := c.srv.Stats(); got.Connections != 0 || got.Ended["keepalive_timeout"] != 1 {
					t.Errorf("after %v: %+v", tt.gone, got)
				}
			})
		})
	}
}

// retryAfter is a google.rpc.RetryInfo.
func retryAfter(d time.Duration) *anypb.Any {
	delay, err := proto.Marshal(durationpb.New(d))
	if err != nil {
		panic(err)
	}
	return &anypb.Any{
		TypeUrl: "type.googleapis.com/google.rpc.RetryInfo",
		Value:   protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), delay),
	}
}
