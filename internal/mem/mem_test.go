package mem

import (
	"runtime"
	"testing"
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

func TestShelvesOutliveCollections(t *testing.T) {
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
	if n := len(shelves[classFor(1<<20)].bufs); n != 4 {
		t.Errorf("%d buffers of 1 MiB on a shelf for 4 MiB", n)
	}
}

// TestShelvesBoundBytes: buffers that have outgrown their class take the room of several.
func TestShelvesBoundBytes(t *testing.T) {
	for c := range shelves {
		s := &shelves[c]
		for range 100 {
			(&Buf{B: make([]byte, 0, min(classBytes(c)*2, maxClass)-1)}).Free() // about the largest of the class
		}
		held := 0
		for _, b := range s.bufs {
			held += cap(b.B)
		}
		if held > s.room || held != s.held {
			t.Errorf("class %d: %d bytes on a shelf for %d that counts %d", c, held, s.room, s.held)
		}
	}
}

func TestFreeNil(t *testing.T) {
	var b *Buf
	b.Free()
}
