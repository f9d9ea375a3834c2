package channel

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
)

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		made := 0
		mk := func() (*Channel, error) { made++; return newTest(t, n, Config{}, "a:1"), nil }
		var p Pool
		get := func(key string) *Lease {
			t.Helper()
			l, err := p.Get(key, mk)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		a, b, other := get("k"), get("k"), get("l")
		if a.Channel != b.Channel || a.Channel == other.Channel || made != 2 {
			t.Errorf("made %d channels, same key same channel: %v, other key: %v", made, a.Channel == b.Channel, a.Channel == other.Channel)
		}
		a.Close()
		a.Close()
		wantState(t, a.Channel, connectivity.Idle, "it has a user: a second Close of the first must not count")
		b.Close()
		wantState(t, a.Channel, connectivity.Shutdown, "closed by its last user")
		c := get("k")
		if c.Channel == a.Channel {
			t.Errorf("a closed channel was handed out")
		}
		c.Abandon()
		c.Close()
		wantState(t, c.Channel, connectivity.Shutdown, "abandoned by its last user, with no call under way")
		other.Close()
		wrong := errors.New("wrong")
		if _, err := p.Get("m", func() (*Channel, error) { return nil, wrong }); err != wrong {
			t.Errorf("got %v, want the maker's error", err)
		}
	})
}

func TestAbandonedChannelClosesWithItsLastCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{}, "a:1")
		_, done := mustPick(t, c, client.PickInfo{})
		c.Abandon()
		after(time.Minute)
		wantState(t, c, connectivity.Ready, "a call is under way")
		done(client.DoneInfo{})
		after(abandonCheck + time.Second)
		wantState(t, c, connectivity.Shutdown, "the last call has ended")
	})
}

// gRFC A8: "the client should double its keepalive interval".
func TestTooManyPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		told := 0
		c := newTest(t, n, Config{OnTooManyPings: func() { told++ }}, "a:1")
		for i, goaway := range []struct {
			code uint32
			text string
		}{{0xb, `GOAWAY ("too_many_pings")`}, {0xb, "other"}, {0, "too_many_pings"}} {
			conn, done := mustPick(t, c, client.PickInfo{})
			done(client.DoneInfo{})
			after(time.Minute)
			conn.goAway(goaway.code, goaway.text)
			conn.Close(nil)
			synctest.Wait()
			if told != 1 {
				t.Errorf("after GOAWAY %d: told %d times, want once, for the first", i, told)
			}
		}
	})
}
