package channel

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
)

// flips makes a backend report n changes of its health, pause apart, the last one "serving" if n is
// even, and returns how many pickers were published.
func flips(c *Channel, watch *fakeStream, n int, pause time.Duration) (published int) {
	seen := c.snap.Load()
	look := func() {
		if now := c.snap.Load(); now != seen {
			seen = now
			published++
		}
	}
	for i := range n {
		watch.answer([]string{notServing, serving}[i%2])
		look()
		if pause > 0 {
			after(pause)
			synctest.Wait()
			look()
		}
	}
	return published
}

func TestHealthFlipsPublishBoundedPickers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{ServiceConfig: healthConfig("shop"), IdleTimeout: -1}, "a:1")
		c.Connect()
		watch := n.stream(0, 0)
		watch.answer(serving)
		wantState(t, c, connectivity.Ready, "healthy")
		if got := flips(c, watch, 10_000, 0); got > healthBurst {
			t.Errorf("10,000 changes at once published %d pickers, want %d at most", got, healthBurst)
		}
		if got := flips(c, watch, 10_000, time.Millisecond); got > 12 {
			t.Errorf("10,000 changes in 10 s published %d pickers, want about one a second", got)
		}
		watch.answer(notServing)
		after(2 * healthInterval)
		wantState(t, c, connectivity.TransientFailure, "the last report counts")
		watch.answer(serving)
		after(2 * healthInterval)
		wantState(t, c, connectivity.Ready, "the last report counts")
		after(time.Minute)
		watch.answer(notServing)
		wantState(t, c, connectivity.TransientFailure, "after a quiet minute a change is told at once")
		if got := c.FailureCounts()[connectivity.Health]; got > 40 {
			t.Errorf("failures counted: got %d, want no more than were told", got)
		}
	})
}

// What a backend repeats is no change.
func TestRepeatedHealthPublishesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{ServiceConfig: healthConfig("shop"), IdleTimeout: -1}, "a:1")
		c.Connect()
		watch := n.stream(0, 0)
		for _, report := range []string{serving, notServing} {
			watch.answer(report)
			before := c.snap.Load()
			for range 100 {
				watch.answer(report)
			}
			if c.snap.Load() != before {
				t.Errorf("a picker was published for a report that says nothing new")
			}
		}
	})
}

// A report that waits for its time is of the connection it came on.
func TestHealthOfALostConnectionIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{ServiceConfig: healthConfig("shop"), IdleTimeout: -1}, "a:1")
		c.Connect()
		watch := n.stream(0, 0)
		flips(c, watch, 100, 0)
		watch.answer(notServing)
		n.conn(0).Close(nil)
		n.stream(1, 0).answer(serving)
		after(10 * healthInterval)
		wantState(t, c, connectivity.Ready, "the second connection is healthy, whatever the first one said last")
		conn, done := mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
		if conn != n.conn(1) {
			t.Errorf("picked %v, want the second connection", conn)
		}
	})
}

// The error of a call says what the newest report is, as far as it was told.
func TestHealthAfterFlipsIsInTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{ServiceConfig: healthConfig("shop"), IdleTimeout: -1}, "a:1")
		c.Connect()
		watch := n.stream(0, 0)
		flips(c, watch, 100, 0)
		watch.answer("\x08\x03")
		after(2 * healthInterval)
		_, _, err := c.Pick(context.Background(), &client.PickInfo{})
		var f *connectivity.Failure
		if !errors.As(err, &f) || f.Reason != connectivity.Health || !strings.Contains(f.Text, "SERVICE_UNKNOWN") {
			t.Errorf("Pick: got %v, want SERVICE_UNKNOWN named", err)
		}
	})
}
