package middleware_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/middleware"
	"github.com/naru-rpc/naru/status"
)

// TestRetryUnauthenticated: a revoked token is replaced and the call repeated once, for many
// callers with one request.
func TestRetryUnauthenticated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var issued, valid, calls atomic.Int32
		valid.Store(1)
		tokens := credentials.NewTokens("test", func(context.Context) (credentials.Token, error) {
			return credentials.Token{Value: fmt.Sprint(issued.Add(1))}, nil
		})
		c := serve(t, echo, []naru.ServerOption{naru.WithAuthenticator(func(ctx context.Context, _ *naru.Call) (context.Context, error) {
			calls.Add(1)
			if got := metadata.ValueFromIncomingContext(ctx, "authorization"); len(got) != 1 || got[0] != fmt.Sprint("Bearer ", valid.Load()) {
				return nil, status.Error(codes.Unauthenticated, "revoked")
			}
			return ctx, nil
		})}, naru.WithInterceptors(middleware.RetryUnauthenticated(tokens)),
			naru.WithCredentials(credentials.AllowPlaintext(tokens)))
		if _, err := invoke(t.Context(), c, put, "x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		valid.Store(2)
		done := make(chan error, 50)
		for range cap(done) {
			go func() { _, err := invoke(t.Context(), c, put, "x"); done <- err }()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Errorf("with a revoked token: %v", err)
			}
		}
		if n := issued.Load(); n != 2 {
			t.Errorf("%d tokens were fetched, want 2", n)
		}

		time.Sleep(time.Minute)
		valid.Store(99)
		calls.Store(0)
		for range 10 {
			if _, err := invoke(t.Context(), c, put, "x"); status.Code(err) != codes.Unauthenticated {
				t.Errorf("a server that refuses all: %v", err)
			}
		}
		if n := issued.Load(); n != 3 || calls.Load() != 11 {
			t.Errorf("refused for good: %d tokens, %d calls of 10; want one more of each", n, calls.Load())
		}
		if _, err := drain(t.Context(), c, "a b"); status.Code(err) != codes.Unauthenticated {
			t.Errorf("a stream: %v", err)
		}
	})
}
