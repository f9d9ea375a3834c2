package server

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// testContext is a Call with nothing but its context.
func testContext(deadline time.Time) *Call {
	c := &Call{env: &Env{}, path: "/test.Service/method"}
	c.deadline = deadline
	c.ctx = c
	return c
}

var errGone = errors.New("client gone")

func TestStdCancelKeyIsLearnt(t *testing.T) {
	if stdCancelKey == nil {
		t.Fatal("context.Cause asked for no key: the standard library has changed, and lifetime with it")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if ctx.Value(stdCancelKey) == nil {
		t.Fatal("a standard context does not answer to the key")
	}
}

func TestContextCancelled(t *testing.T) {
	for _, doneFirst := range []bool{false, true} {
		c := testContext(time.Time{})
		if doneFirst {
			select {
			case <-c.Done():
				t.Fatal("done at birth")
			default:
			}
		}
		if err := c.Err(); err != nil {
			t.Fatalf("Err at birth = %v", err)
		}
		c.end(errGone)
		c.end(errors.New("a second reason must not win"))
		if err := c.Err(); err != context.Canceled {
			t.Errorf("doneFirst %v: Err = %v, want Canceled", doneFirst, err)
		}
		if err := context.Cause(c); err != errGone {
			t.Errorf("doneFirst %v: Cause = %v, want %v", doneFirst, err, errGone)
		}
		<-c.Done()
	}
}

func TestContextDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testContext(time.Now().Add(time.Second))
		<-time.After(time.Second - 1)
		if c.Err() != nil {
			t.Fatalf("Err before the deadline = %v", c.Err())
		}
		<-time.After(1)
		// Nobody has called Done: no timer ran, Err knows from the clock.
		if err := c.Err(); err != context.DeadlineExceeded {
			t.Fatalf("Err = %v, want DeadlineExceeded", err)
		}
		<-c.Done()
		if err := context.Cause(c); err != context.DeadlineExceeded {
			t.Fatalf("Cause = %v, want DeadlineExceeded", err)
		}
		c.end(nil)
		if err := c.Err(); err != context.DeadlineExceeded {
			t.Fatalf("Err after end = %v: what came first must stay", err)
		}
	})
}

func TestContextDoneFiresAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testContext(time.Now().Add(time.Second))
		start := time.Now()
		<-c.Done()
		if d := time.Since(start); d != time.Second {
			t.Fatalf("done after %v, want 1s", d)
		}
		if err := c.Err(); err != context.DeadlineExceeded {
			t.Fatalf("Err = %v, want DeadlineExceeded", err)
		}
	})
}

// The timer must not outlive the call: synctest fails on a bubble that never gets idle.
func TestContextEndStopsTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testContext(time.Now().Add(time.Hour))
		_ = c.Done()
		fired := false
		stop := context.AfterFunc(c, func() { fired = true })
		stop()
		c.end(nil)
		start := time.Now()
		synctest.Wait()
		if time.Since(start) != 0 || fired {
			t.Fatal("something was left to wait for")
		}
		if err := c.Err(); err != context.Canceled {
			t.Fatalf("Err = %v, want Canceled", err)
		}
	})
}

func TestContextChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testContext(time.Now().Add(time.Second))
		before := runtime.NumGoroutine()
		child, cancel := context.WithCancel(c)
		defer cancel()
		timed, cancelTimed := context.WithTimeout(c, time.Hour)
		defer cancelTimed()
		grand, cancelGrand := context.WithCancelCause(context.WithValue(child, baseKey{}, "value"))
		defer cancelGrand(nil)
		called := make(chan struct{})
		context.AfterFunc(c, func() { close(called) })
		if n := runtime.NumGoroutine(); n > before { // fewer: one of an earlier test ended
			t.Errorf("%d goroutines were started for children", n-before)
		}
		if d, ok := timed.Deadline(); !ok || time.Until(d) != time.Second {
			t.Errorf("the parent's earlier deadline was lost: %v", d)
		}
		<-grand.Done()
		<-timed.Done()
		<-called
		for name, ctx := range map[string]context.Context{"child": child, "timed": timed, "grand": grand} {
			if err := ctx.Err(); err != context.DeadlineExceeded {
				t.Errorf("%s: Err = %v, want the parent's DeadlineExceeded", name, err)
			}
			if err := context.Cause(ctx); err != context.DeadlineExceeded {
				t.Errorf("%s: Cause = %v, want DeadlineExceeded", name, err)
			}
		}
	})
}

func TestContextChildrenSeeTheCause(t *testing.T) {
	c := testContext(time.Time{})
	child, cancel := context.WithCancel(c)
	defer cancel()
	c.end(errGone)
	<-child.Done()
	if err := context.Cause(child); err != errGone {
		t.Fatalf("Cause of a child = %v, want %v", err, errGone)
	}
	late, cancelLate := context.WithCancel(c)
	defer cancelLate()
	if err := context.Cause(late); err != errGone {
		t.Fatalf("Cause of a child made afterwards = %v, want %v", err, errGone)
	}
}

func TestContextWithoutCancel(t *testing.T) {
	c := testContext(time.Now().Add(-time.Second))
	if c.Err() != context.DeadlineExceeded {
		t.Fatal("a deadline in the past must be over")
	}
	free := context.WithoutCancel(c)
	child, cancel := context.WithCancel(free)
	if free.Err() != nil || child.Err() != nil || free.Done() != nil {
		t.Fatal("WithoutCancel of an ended call is ended")
	}
	cancel()
	if FromContext(free) != c {
		t.Fatal("WithoutCancel lost the call's values")
	}
}

type baseKey struct{}

func TestContextValues(t *testing.T) {
	c := testContext(time.Time{})
	c.env.Base = context.WithValue(context.Background(), baseKey{}, 7)
	if v := c.Value(baseKey{}); v != 7 {
		t.Errorf("value of the base context = %v, want 7", v)
	}
	if c.inner != nil {
		t.Error("looking up a value made a context")
	}
	derived := context.WithValue(c, baseKey{}, "y")
	if FromContext(derived) != c || FromContext(context.Background()) != nil {
		t.Error("FromContext")
	}
}

func TestContextConcurrently(t *testing.T) {
	for range 50 {
		c := testContext(time.Now().Add(100 * time.Microsecond))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch i % 4 {
				case 0:
					child, cancel := context.WithCancel(c)
					<-child.Done()
					cancel()
				case 1:
					<-c.Done()
				case 2:
					c.end(errGone)
				case 3:
					for c.Err() == nil {
						runtime.Gosched()
					}
				}
			})
		}
		wg.Wait()
		first := c.Err()
		c.end(errors.New("late"))
		if c.Err() != first {
			t.Fatalf("Err changed from %v to %v", first, c.Err())
		}
	}
}
