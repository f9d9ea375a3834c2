package h2

import (
	"testing"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// pot is a budget of one connection.
type pot struct {
	limit, taken, most int64
	hungry             bool
}

func (p *pot) Reserve(n int64) bool {
	if p.taken > 0 && p.taken+n > p.limit {
		return false
	}
	p.taken += n
	p.most = max(p.most, p.taken)
	return true
}

func (p *pot) Release(n int64) { p.taken -= n; p.most = max(p.most, p.taken) }

func (p *pot) Completed(int64) {}

func (p *pot) Roomy() bool { return true }

func (p *pot) Hungry() { p.hungry = true }

// upload plays a peer that sends messages of size bytes on many streams, taking turns frame by frame. It
// returns how many came whole.
func upload(t *testing.T, c *Conn, streams, size, chunk int) (whole int) {
	t.Helper()
	left := map[*Stream]int{}
	var order []*Stream
	for i := range uint32(streams) {
		s := openStream(t, c, 2*i+1, false)
		left[s], order = size, append(order, s)
	}
	for progress := true; progress; {
		progress = false
		for _, s := range order {
			n := int(min(int64(left[s]), int64(chunk), s.recvWindow, c.recvWindow))
			if n <= 0 {
				continue
			}
			progress = true
			if _, err := c.RecvData(s.ID, n, n); err != nil {
				t.Fatal(err)
			}
			c.Delivered(s, n)
			if left[s] == size {
				c.Want(s, int64(size-n))
			}
			if left[s] -= n; left[s] == 0 {
				whole++
				delete(left, s)
				s.RemoteClosed = true
				c.Consumed(s, int64(size))
			}
			c.check(t)
		}
	}
	return whole
}

// TestBudgetIsEnough: 256 large messages at once, of which each has used its stream's first window
// before any gets on, come whole within what a guest may have, and all of it comes back.
func TestBudgetIsEnough(t *testing.T) {
	p := &pot{limit: 18 << 20}
	c := newTestConn(Config{Role: Server, MaxConcurrentStreams: 256, Budget: p})
	if n := upload(t, c, 256, 300_000, 16384); n != 256 {
		t.Errorf("%d of 256 messages came whole; claimed %d", n, c.claimed)
	}
	if p.taken != 0 || c.claimed != 0 || c.held != 0 {
		t.Errorf("left at the end: %d taken, %d claimed, %d bytes held", p.taken, c.claimed, c.held)
	}
}

// TestSweep: with too small a budget nothing moves any more. Then streams that wait are offered for
// refusal, the younger half at a time, and the message that holds the memory is given up.
func TestSweep(t *testing.T) {
	const second = int64(1e9)
	p := &pot{limit: 1 << 20}
	c := newTestConn(Config{Role: Server, MaxConcurrentStreams: 256, Budget: p})
	if n := upload(t, c, 100, 300_000, 16384); n != 0 || !p.hungry || !c.IsHungry() {
		t.Fatalf("%d messages came whole with 2 MiB in all; hungry %v, %v", n, p.hungry, c.IsHungry())
	}
	if v := c.Sweep(5 * second); !v.Moved {
		t.Error("the first look finds that bytes came")
	}
	if v := c.Sweep(5*second + stallAfter - 1); v.Moved || !v.Stuck || v.Refuse != nil || v.Stalled != nil {
		t.Errorf("just before a second has passed: %+v", v)
	}
	v := c.Sweep(5*second + stallAfter)
	if len(v.Refuse) != (len(c.wanting)+1)/2 || v.Refuse[len(v.Refuse)-1] != c.wanting[len(c.wanting)-1] || v.Stalled == nil {
		t.Fatalf("after a second: %d of %d to be refused, stalled %v", len(v.Refuse), len(c.wanting), v.Stalled)
	}
	target := c.connTarget
	for _, s := range v.Refuse {
		s.Cut = true
		n := s.dataSeen
		c.Reset(s, frame.RefusedStream)
		c.Consumed(s, n)
		c.check(t)
	}
	if c.connTarget != target {
		t.Errorf("what refused streams gave back made the window grow from %d to %d", target, c.connTarget)
	}
	c.Spare(5*second+stallAfter, false)
	if v := c.Sweep(5*second + stallAfter + serveAfter - 1); v.Moved || v.Refuse != nil {
		t.Errorf("what refused streams gave back is no progress: %+v", v)
	}
	if v := c.Sweep(5*second + stallAfter + serveAfter); v.Refuse == nil {
		t.Error("still nothing moves: the next half")
	}
}

// TestMessagesInPieces: streams whose message came in pieces, and which have ended, are not kept.
func TestMessagesInPieces(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	for i := range uint32(1000) {
		s := openStream(t, c, 2*i+1, false)
		for range 2 {
			if _, err := c.RecvData(s.ID, 100, 100); err != nil {
				t.Fatal(err)
			}
			c.Delivered(s, 100)
			c.Want(s, 50)
		}
		c.Consumed(s, 200)
		c.Reset(s, frame.NoError)
	}
	if n := len(c.assembling); n > 40 {
		t.Errorf("%d streams are kept of a thousand that ended", n)
	}
}

// TestDebtEndsWithTheConnection: what a stream was given and did not use is debt until its bytes come. With the connection
// it goes back, or the budget would be spent by connections that are gone.
func TestDebtEndsWithTheConnection(t *testing.T) {
	p := &pot{limit: 1 << 30}
	c := newTestConn(Config{Role: Server, Budget: p})
	for i := range uint32(3) {
		s := openStream(t, c, 2*i+1, false)
		if _, err := c.RecvData(s.ID, 100, 100); err != nil {
			t.Fatal(err)
		}
		c.Delivered(s, 100)
		c.Want(s, 3<<20)
		if i == 0 {
			c.Reset(s, frame.Cancel)
		}
	}
	if c.debt == 0 || p.taken == 0 {
		t.Fatalf("debt of %d, %d bytes of the budget: the test has nothing to show", c.debt, p.taken)
	}
	c.DropStreams()
	if p.taken != 0 {
		t.Errorf("%d bytes of the budget are taken by a connection that has ended", p.taken)
	}
	c.Refund(100) // by a handler that returns later
	if p.taken != 0 {
		t.Errorf("%d bytes of the budget are taken after the last was given back", p.taken)
	}
}

// TestUnusedWindowIsForgiven: what a message that was given up had not used is debt that nobody may ever pay. It does
// not keep others from the budget once the connection is quiet.
func TestUnusedWindowIsForgiven(t *testing.T) {
	p := &pot{limit: 1 << 20}
	c := newTestConn(Config{Role: Server, Budget: p})
	s := openStream(t, c, 1, false)
	if _, err := c.RecvData(1, 100, 100); err != nil {
		t.Fatal(err)
	}
	c.Delivered(s, 100)
	c.Want(s, 500_000)
	c.Reset(s, frame.EnhanceYourCalm)
	c.Consumed(s, 100)
	if p.taken == 0 || !c.Sweep(1e9).Moved {
		t.Fatalf("%d bytes taken, want what was not used", p.taken)
	}
	c.Sweep(1e9 + stallAfter - 1)
	if p.taken == 0 {
		t.Error("forgiven before a second has passed")
	}
	c.Sweep(1e9 + stallAfter)
	if p.taken != 0 {
		t.Errorf("%d bytes are kept from others", p.taken)
	}
	c.check(t)
	c.Refund(1000) // some of it is used after all
	c.check(t)
	if p.taken != 0 || c.debt == 0 {
		t.Errorf("%d bytes taken, debt %d", p.taken, c.debt)
	}
}

// TestSmallUploadsDoNotWait: four messages of 270 KB on one connection are more than its first window, and extended at once: a
// proxy that merges them may have no room for the oldest while the others wait.
func TestSmallUploadsDoNotWait(t *testing.T) {
	c := newTestConn(Config{Role: Server, MaxConcurrentStreams: 256, FirstConnWindow: 256 << 10, Budget: &pot{limit: 1 << 20}})
	for id := uint32(1); id < 9; id += 2 {
		s := openStream(t, c, id, false)
		c.Want(s, 270_000)
		if s.recvWindow < s.need {
			t.Errorf("stream %d: a window of %d for a message that lacks %d", id, s.recvWindow, s.need)
		}
	}
}
