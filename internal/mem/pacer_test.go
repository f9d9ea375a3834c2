package mem

import (
	"runtime/debug"
	"testing"
	"time"
)

func testPacer(live int) *pacer {
	return &pacer{live: func() int { return live }, size: func() int { return usualFloor }}
}

// collect is a collection as the pacer sees it, d after the one before.
func collect(p *pacer, now *time.Time, d time.Duration, decoded int) {
	p.churn.Add(int64(decoded))
	if decoded > 0 {
		p.used.Store(true)
	}
	*now = now.Add(d)
	p.collected(*now)
}

func TestFloor(t *testing.T) {
	live := 3 << 20
	p, now := testPacer(0), time.Now()
	p.live = func() int { return live + len(p.floor) }
	steps := []struct {
		what    string
		after   time.Duration
		decoded int
		held    bool
	}{
		{"the first collection of many", time.Hour, 3 << 20, false},
		{"large messages make the collector run often", 3 * time.Millisecond, 3 << 20, true},
		{"and go on", 20 * time.Millisecond, 16 << 20, true},
		{"something else makes it run", 5 * time.Millisecond, 64 << 10, false},
		{"large messages again", 5 * time.Millisecond, 3 << 20, true},
		{"few of them", 10 * time.Second, 3 << 20, false},
	}
	for _, s := range steps {
		collect(p, &now, s.after, s.decoded)
		if held := p.floor != nil; held != s.held {
			t.Errorf("%s: floor held: %t, want %t", s.what, held, s.held)
		}
	}
	collect(p, &now, time.Millisecond, 3<<20)
	live = usualFloor
	if collect(p, &now, time.Millisecond, 3<<20); p.floor != nil {
		t.Error("floor held beside as much live data")
	}
}

func TestNoFloorUnderATightLimit(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(roomyShare*usualFloor - 1))
	p, now := testPacer(0), time.Now()
	collect(p, &now, 0, 3<<20)
	if collect(p, &now, time.Millisecond, 3<<20); p.floor != nil {
		t.Error("floor held under a memory limit that leaves no room for it")
	}
}

func TestShelvesAreEmptiedAtRest(t *testing.T) {
	p, now := testPacer(0), time.Now()
	Get(1 << 20).Free()
	shelf := &shelves[classFor(1<<20)]
	held := func() int { shelf.mu.Lock(); defer shelf.mu.Unlock(); return shelf.held }
	collect(p, &now, time.Second, 1)
	collect(p, &now, time.Second, 0)
	if collect(p, &now, restTime-time.Second, 0); held() == 0 {
		t.Error("emptied too early")
	}
	if collect(p, &now, time.Second, 0); held() != 0 {
		t.Errorf("%d bytes kept after %v without use", held(), restTime)
	}
}

func TestFloorFollowsTheMemory(t *testing.T) {
	for memory, want := range map[uint64]int{0: 16 << 20, 64 << 20: 4 << 20, 512 << 20: 8 << 20, 1 << 30: 16 << 20, 4 << 30: 64 << 20, 1 << 50: 64 << 20} {
		if got := floorFor(memory); got != want {
			t.Errorf("%d bytes of memory: a floor of %d, want %d", memory, got, want)
		}
	}
}
