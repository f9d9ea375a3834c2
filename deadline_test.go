package naru_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

func TestDeadlineTravels(t *testing.T) {
	var inner *pair
	var left time.Duration
	e := handle(func(ctx context.Context, m *text) (*text, error) {
		d, ok := ctx.Deadline()
		if m.Value == "inner" {
			if ok {
				left = time.Until(d)
			}
			return m, nil
		}
		_, err := inner.unary(ctx, "inner")
		return m, err
	})
	overAll(t, e, func(t *testing.T, p *pair) {
		inner = p
		left = 0
		if _, err := p.unary(t.Context(), "outer", naru.WithTimeout(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if left > time.Minute || left < 50*time.Second {
			t.Errorf("the call made by the handler had %v left of a minute", left)
		}
		left = 0
		if _, err := p.unary(t.Context(), "outer"); err != nil || left != 0 {
			t.Errorf("without a deadline: %v, %v left", err, left)
		}
	})
}

func TestDeadlineReachesTheHandler(t *testing.T) {
	ended := make(chan error, 1)
	e := func() *echo {
		return &echo{
			unary: func(ctx context.Context, m *text) (*text, error) {
				<-ctx.Done()
				ended <- ctx.Err()
				return nil, ctx.Err()
			},
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				_, err := s.Recv()
				ended <- err
				return err
			},
		}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "", naru.WithTimeout(500*time.Millisecond))
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("unary: %v", err)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("the unary handler's context ended with %v", err)
		}
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi, naru.WithTimeout(500*time.Millisecond))
		if err == nil {
			_, err = s.Recv()
		}
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("stream: %v", err)
		}
		if err := <-ended; status.Code(err) != codes.DeadlineExceeded && status.Code(err) != codes.Canceled {
			t.Errorf("the stream handler's Recv ended with %v", err)
		}
	})
}

func TestCancellationReachesTheHandler(t *testing.T) {
	started, ended := make(chan struct{}, 1), make(chan error, 1)
	wait := func(ctx context.Context) error {
		started <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}
	e := func() *echo {
		return &echo{
			unary: func(ctx context.Context, m *text) (*text, error) { return nil, wait(ctx) },
			bidi:  func(s naru.BidiStreamingServer[text, text]) error { return wait(s.Context()) },
		}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		check := func(what string, err error) {
			t.Helper()
			if status.Code(err) != codes.Canceled {
				t.Errorf("%s: %v, want CANCELED", what, err)
			}
			if cause := <-ended; cause == nil || cause == context.Canceled {
				t.Errorf("%s: the handler's context has no cause that explains: %v", what, cause)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-started; cancel() }()
		_, err := p.unary(ctx, "")
		check("unary", err)

		ctx, cancel = context.WithCancel(t.Context())
		s, err := stub.NewBidiStreamingClient[text, text](ctx, p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		<-started
		cancel()
		_, err = s.Recv()
		check("stream", err)

		s, err = stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		<-started
		_ = s.Close()
		_, err = s.Recv()
		check("closed stream", err)
	})
}

func TestLeavingTheLoopEndsTheCall(t *testing.T) {
	ended := make(chan error, 1)
	e := func() *echo {
		return &echo{server: func(_ *text, s naru.ServerStreamingServer[text]) error {
			for {
				if err := s.Send(str("more")); err != nil {
					ended <- err
					return err
				}
			}
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		s, err := stub.NewServerStreamingClient[text](t.Context(), p, methodServer, str(""))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range s.All() {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 3 {
				break
			}
		}
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("the handler's Send ended with %v", err)
		}
	})
}

func TestManyCallsAndCancellations(t *testing.T) {
	e := func() *echo {
		return &echo{unary: func(ctx context.Context, m *text) (*text, error) {
			if m.Value == "wait" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return m, nil
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				for j := range 30 {
					if (i+j)%3 == 0 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(j)*100*time.Microsecond)
						if _, err := p.unary(ctx, "wait"); status.Code(err) != codes.DeadlineExceeded {
							t.Errorf("got %v", err)
						}
						cancel()
						continue
					}
					want := fmt.Sprint(i, " ", j)
					if got, err := p.unary(t.Context(), want); err != nil || got != want {
						t.Errorf("got %q, %v; want %q", got, err, want)
					}
				}
			})
		}
		wg.Wait()
	})
}
