package h2

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
)

// A reader is a peer that reads a stream, and opens the window as it does.
type reader struct {
	t       *testing.T
	rnd     *rand.Rand
	c       *Conn
	s       *Stream
	policy  string
	first   int // window of the stream
	unread  int // received, and not read
	owed    int // read, and not announced
	window  int // what the sender may send on the stream
	conn    int // and on the connection
	connDue int
	frames  int
	got     int
	want    int
}

// receive takes what the sender has written.
func (r *reader) receive() (some bool) {
	r.c.Fill(1 << 20)
	out := r.c.TakeOut(nil)
	for len(out) > 0 {
		h := frame.ParseHeader(out)
		if h.Type == frame.TypeData {
			n := int(h.Length)
			r.frames, r.got, r.unread = r.frames+1, r.got+n, r.unread+n
			r.window, r.conn = r.window-n, r.conn-n
			if r.window < 0 || r.conn < 0 {
				r.t.Fatalf("%d bytes beyond a window", n)
			}
			some = true
		}
		out = out[frame.HeaderLen+int(h.Length):]
	}
	return some
}

// read reads up to n bytes and announces what its policy says. It returns false if it does neither.
func (r *reader) read(n int) bool {
	n = min(n, r.unread)
	r.unread -= n
	r.owed += n
	r.connDue += n
	give := 0
	switch r.policy {
	case "each":
		give = r.owed
	case "half":
		if r.owed >= (r.first+1)/2 {
			give = r.owed
		}
	case "zero":
		if r.window == 0 {
			give = r.owed
		}
	case "trickle": // the buffer is smaller than the first window: 64 bytes when it is empty
		if r.window == 0 && r.unread == 0 {
			give = min(r.owed, 64)
		}
	}
	if give > 0 {
		r.owed -= give
		r.window += give
		r.update(r.s.ID, give)
	}
	if r.connDue > 0 && (r.policy == "each" || r.conn < 32<<10) {
		r.conn += r.connDue
		r.update(0, r.connDue)
		r.connDue = 0
	}
	return n > 0 || give > 0
}

func (r *reader) update(id uint32, n int) {
	if err := r.c.RecvWindowUpdate(id, uint32(n)); err != nil {
		r.t.Fatal(err)
	}
}

func newSlowReader(t *testing.T, rnd *rand.Rand, policy string, first, want int) *reader {
	t.Helper()
	c := newTestConn(Config{Role: Client})
	settings := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, uint16(frame.SettingInitialWindowSize)), uint32(first))
	if err := c.RecvSettings(frame.Settings(settings)); err != nil {
		t.Fatal(err)
	}
	s, err := c.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	c.SendRequestHead(s, "POST", "http", "a", "/s/m", nil, false)
	c.TakeOut(nil)
	return &reader{t: t, rnd: rnd, c: c, s: s, policy: policy, first: first, window: first, conn: initialWindowSize, want: want}
}

// run sends everything, in pieces or at once, and returns how often it had to wait for ReleaseHeld.
func (r *reader) run(most int) (waits int) {
	r.t.Helper()
	for left := r.want; left > 0 || r.got < r.want; {
		if left > 0 && (r.rnd.IntN(3) == 0 || r.s.Queued() == 0) {
			n := min(left, 1+r.rnd.IntN(100_000))
			left -= n
			r.c.Send(r.s, &mem.Buf{B: make([]byte, n)}, left == 0, nil)
		}
		some := r.receive()
		some = r.read(1+r.rnd.IntN(most)) || some
		if some || r.got == r.want || left > 0 && r.s.Queued() == 0 {
			continue
		}
		if !r.c.Holding() {
			r.t.Fatalf("%d of %d bytes have come, windows %d and %d, %d queued, and nothing is held back", r.got, r.want, r.window, r.conn, r.s.Queued())
		}
		waits++
		r.c.ReleaseHeld()
	}
	return waits
}

// TestSmallWindowUpdates: whatever a peer's windows are and however it opens them, everything is
// sent. The sender waits for its timer once, with a peer that opens its window by a little when it
// is at 0 and no further before that has come.
func TestSmallWindowUpdates(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1122))
		for _, policy := range []string{"each", "half", "zero", "trickle"} {
			first := []int{1, 100, 4096, 8191, 65535, 1 << 20}[rnd.IntN(6)]
			most := []int{1, 8, 64, 5000, 100_000}[rnd.IntN(5)]
			want := 1 + rnd.IntN(max(first, 1000)*2)
			if most < 64 {
				want = min(want, 300_000)
			}
			r := newSlowReader(t, rnd, policy, first, want)
			if waits := r.run(most); waits > 1 || waits > 0 && (policy == "each" || policy == "half") {
				t.Errorf("seed %d: %s, first window %d, %d bytes, read by %d: %d waits", seed, policy, first, want, most, waits)
			}
		}
	}
}

// TestSmallFramesJoin counts the frames that a peer gets which reads 8 to 64 bytes at a time and
// announces each.
func TestSmallFramesJoin(t *testing.T) {
	frames := func(eager bool) int {
		rnd := rand.New(rand.NewPCG(1, 1122))
		r := newSlowReader(t, rnd, "each", 65535, 300_000)
		r.s.refills.eager, r.c.refills.eager = eager, eager
		if waits := r.run(64); waits > 0 {
			t.Errorf("%d waits", waits)
		}
		return r.frames
	}
	joined, before := frames(false), frames(true)
	if joined > 200 || before < 3000 {
		t.Errorf("%d frames, %d if each window update is answered", joined, before)
	}
	t.Logf("%d frames, %d if each window update is answered", joined, before)
}
