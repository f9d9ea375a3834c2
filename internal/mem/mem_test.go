package mem

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestClasses(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 1024, 1025, 4096, 16 << 10, 64<<10 + 1, 1 << 20, maxClass, maxClass + 1} {
		b := Get(n)
		if len(b.B) != 0 || cap(b.B) < n {
			t.Errorf("Get(%d): length %d, capacity %d", n, len(b.B), cap(b.B))
		}
		if n <= maxClass && n > 1<<smallShift && cap(b.B) > 4*n {
			t.Errorf("Get(%d): capacity %d, more than four times that", n, cap(b.B))
		}
		b.Free()
	}
}

// TestGrownBuffers: a buffer that outgrew its class keeps the promise of the class it goes to.
func TestGrownBuffers(t *testing.T) {
	for _, n := range []int{300, 2000, 5000, 100_000, 3 << 20} {
		b := Get(10)
		b.B = append(b.B, make([]byte, n)...)
		b.Free()
		for _, m := range []int{n / 4, n, 4 * n} {
			if got := Get(m); cap(got.B) < m {
				t.Errorf("after a buffer grown to %d: Get(%d) has capacity %d", n, m, cap(got.B))
			}
		}
	}
}

func TestFreeListsOutliveCollections(t *testing.T) {
	b := Get(1 << 20)
	first := &b.B[:1][0]
	b.Free()
	runtime.GC()
	runtime.GC()
	if b = Get(1 << 20); &b.B[:1][0] != first {
		t.Error("a large buffer was collected")
	}
	b.Free()
	for range 100 {
		(&Buf{B: make([]byte, 0, 1<<20+slack)}).Free()
	}
	if n := len(freeLists[classFor(1<<20)].bufs); n != 4 {
		t.Errorf("%d buffers of 1 MiB in a list limited to 4 MiB", n)
	}
}

// TestFreeListsBoundBytes: buffers that have outgrown their class count with their real size.
func TestFreeListsBoundBytes(t *testing.T) {
	for c := range freeLists {
		l := &freeLists[c]
		for range 100 {
			(&Buf{B: make([]byte, 0, min(classBytes(c)*2, maxClass)-1)}).Free() // about the largest of the class
		}
		held := 0
		for _, b := range l.bufs {
			held += cap(b.B)
		}
		if held > l.limit || held != l.held {
			t.Errorf("class %d: holds %d bytes, limit %d, counted %d", c, held, l.limit, l.held)
		}
	}
}

// TestFreeListIsReleasedWhenIdle: an idle process keeps no large buffers, and needs no collection
// and no further call to let go of them.
func TestFreeListIsReleasedWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &freeList{limit: 1 << 20}
		held := func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.held }
		for range 3 { // used in every period: stays
			l.put(&Buf{B: make([]byte, 0, 64<<10)})
			time.Sleep(idleTime + time.Millisecond)
			synctest.Wait()
			if held() == 0 {
				t.Fatal("released while in use")
			}
		}
		time.Sleep(idleTime)
		synctest.Wait()
		if n := held(); n != 0 || l.timed {
			t.Errorf("%d bytes held after %v without use, timer running: %t", n, 2*idleTime, l.timed)
		}
		if l.put(&Buf{B: make([]byte, 0, 64<<10)}); held() != 64<<10 {
			t.Error("the list no longer takes buffers")
		}
		time.Sleep(3 * idleTime)
		synctest.Wait()
		if n := held(); n != 0 {
			t.Errorf("%d bytes held the second time", n)
		}
	})
}

func TestFreeNil(t *testing.T) {
	var b *Buf
	b.Free()
}
