package wire

import (
	"testing"

	"github.com/naru-rpc/naru/internal/mem"
)

// held returns how large the buffers of the writer half are.
func (in *Reassembler) held() (bytes int) {
	for _, b := range in.full {
		bytes += cap(b.B)
	}
	if in.cur != nil {
		bytes += cap(in.cur.B)
	}
	return bytes
}

// docs/memory.md: the buffers of a stream hold 1.25 x what has come, and 64 KiB, once those of the
// process are more than 32 MiB ahead of it: half-sent messages as whole ones that nobody takes, of
// whatever size, cut as they may be.
func TestInboxHoldsWhatCame(t *testing.T) {
	if !mem.Ahead(mem.MostAhead) {
		t.Fatal("another test has not given back what it took")
	}
	defer mem.Caught(mem.MostAhead)
	const limit = 4 << 20
	for _, size := range []int{1, 100, 300, 1100, 4000, 4200, 5000, 17_000, 34_000, 70_000, 140_000, 300_000, 1<<20 + 2000, 2<<20 + 2000, limit} {
		for _, frame := range []int{100, 4096, 16_384} {
			in := Reassembler{Limit: Limit{Bytes: limit}}
			one := framed(make([]byte, size))
			for came, next := 0, 0; came < 2*limit && came < 2000*frame; {
				n := min(frame, len(one)-came%len(one))
				at := came % len(one)
				if pr := in.Add(one[at : at+n]); pr != nil {
					t.Fatal(pr.Text)
				}
				if came += n; came < next {
					continue
				}
				next = came + came/50
				most := came/4*5 + spareBytes
				if size < backlogBytes {
					most = 2*came + spareBytes
				}
				if got := in.held(); got > most {
					t.Fatalf("messages of %d bytes in frames of %d: %d bytes for %d that came, want at most %d", size, frame, got, came, most)
				}
			}
			in.Drop()
		}
	}
}

// What is taken to be ahead is given back, whatever becomes of the messages.
func TestInboxGivesBackAhead(t *testing.T) {
	for _, size := range []int{17_000, 140_000, 1<<20 + 2000, 4 << 20} {
		for _, take := range []bool{true, false} {
			in := Reassembler{Limit: Limit{Bytes: 4 << 20}}
			all := framed(make([]byte, size), make([]byte, size), make([]byte, size))
			all = all[:len(all)-1000]
			for len(all) > 0 {
				n := min(16_384, len(all))
				if pr := in.Add(all[:n]); pr != nil {
					t.Fatal(pr.Text)
				}
				all = all[n:]
				if take {
					drainInbox(&in)
				}
			}
			in.Drop()
			if !mem.Ahead(mem.MostAhead) {
				t.Fatalf("messages of %d bytes, taken %v: some is still taken", size, take)
			}
			mem.Caught(mem.MostAhead)
		}
	}
}
