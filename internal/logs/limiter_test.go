package logs

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		allowed := func(why, reason string, want bool, missed uint64) {
			t.Helper()
			if n, ok := l.Allow(reason); ok != want || n != missed {
				t.Errorf("%s: %t with %d suppressed, want %t with %d", why, ok, n, want, missed)
			}
		}
		allowed("the first", "a", true, 0)
		allowed("the second", "a", false, 0)
		allowed("another reason", "b", true, 0)
		time.Sleep(Period - 1)
		allowed("just before the period ends", "a", false, 0)
		time.Sleep(1 * time.Nanosecond)
		allowed("after the period", "a", true, 2)
		time.Sleep(100 * Period)
		allowed("after a long pause", "a", true, 0)
		allowed("of which nothing is saved up", "a", false, 0)
	})
}

func TestLimiterBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Limiter{Burst: 3}
		n := 0
		for range 10 {
			if _, ok := l.Allow("a"); ok {
				n++
			}
		}
		if n != 3 {
			t.Errorf("%d lines at once, want 3", n)
		}
		time.Sleep(2 * Period)
		for range 10 {
			if _, ok := l.Allow("a"); ok {
				n++
			}
		}
		if n != 5 {
			t.Errorf("%d lines after two periods more, want 5", n)
		}
	})
}

func TestLimiterOfManyReasons(t *testing.T) {
	var l Limiter
	n := 0
	for i := range 10 * mostReasons {
		if _, ok := l.Allow(strconv.Itoa(i)); ok {
			n++
		}
	}
	if n != mostReasons+1 || len(l.reasons) != mostReasons+1 {
		t.Errorf("%d lines of %d reasons, want %d", n, len(l.reasons), mostReasons+1)
	}
}
