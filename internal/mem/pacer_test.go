package mem

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// testPacer has a program with so many bytes of its own. Its floor is usualFloor.
func testPacer(live *int, u *usage) *pacer {
	p := &pacer{size: func() int { return usualFloor }}
	p.read = func() usage {
		u.live = *live + len(p.floor)
		return *u
	}
	return p
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

func TestFloorUnderLargeMessages(t *testing.T) {
	live := 3 << 20
	p, now := testPacer(&live, new(usage)), time.Now()
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

func TestFloorUnderWorkOfTheCollector(t *testing.T) {
	live := usualFloor / 2
	var u usage
	p, now := testPacer(&live, &u), time.Now()
	collect(p, &now, time.Hour, 0)
	steps := []struct {
		what            string
		after           time.Duration
		collector, work float64 // milliseconds since the collection before
		forced          uint64
		held            bool
	}{
		{"a small share", 100 * time.Millisecond, 7, 93, 0, false},
		{"a large one", 100 * time.Millisecond, 20, 80, 0, true},
		{"with the floor a third of it, as there are fewer collections", 300 * time.Millisecond, 20, 280, 0, true},
		{"the load falls, a little", 700 * time.Millisecond, 12, 580, 0, true},
		{"and more", 900 * time.Millisecond, 5, 580, 0, false},
		{"a large one again", 100 * time.Millisecond, 20, 80, 0, true},
		{"seldom", 2 * time.Second, 20, 80, 0, false},
		{"asked for by the program", 100 * time.Millisecond, 20, 1, 1, false},
		{"and then not", 100 * time.Millisecond, 20, 80, 0, true},
		{"with the floor a share that was small without", 100 * time.Millisecond, 1, 99, 0, false},
	}
	for _, s := range steps {
		u.collector += s.collector / 1e3
		u.work += s.work / 1e3
		u.forced += s.forced
		collect(p, &now, s.after, 0)
		if held := p.floor != nil; held != s.held {
			t.Errorf("%s: floor held: %t, want %t", s.what, held, s.held)
		}
	}
}

func TestNoFloorUnderATightLimit(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(roomyShare*usualFloor - 1))
	live := 0
	p, now := testPacer(&live, new(usage)), time.Now()
	collect(p, &now, 0, 3<<20)
	if collect(p, &now, time.Millisecond, 3<<20); p.floor != nil {
		t.Error("floor held under a memory limit that leaves no room for it")
	}
}

func TestUsageIsKnown(t *testing.T) {
	before := readUsage()
	runtime.GC()
	after := readUsage()
	if after.live <= 0 || after.live == math.MaxInt || after.forced != before.forced+1 || after.collector <= before.collector || after.work <= 0 {
		t.Errorf("before a collection %+v, after it %+v", before, after)
	}
}

func TestShelvesAreEmptiedAtRest(t *testing.T) {
	live := 0
	p, now := testPacer(&live, new(usage)), time.Now()
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
