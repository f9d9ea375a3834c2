package h2

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/mem"
)

// TestMergedUploads: a proxy merges uploads into one connection. Its clients share a window on
// their side too, which is what of them lies in its buffers, so that a stream whose bytes it cannot
// pass on stops all others. Every upload comes whole, and none of them ends for being slow.
func TestMergedUploads(t *testing.T) {
	const (
		uploads = 250
		size    = 271_828
		front   = 65535 // the window that the proxy's clients share, and that of each of their streams
	)
	for seed := range uint64(5) {
		x := newExchange(t, seed)
		x.rnd = rand.New(rand.NewPCG(seed, 2))
		alloc := func() *Stream { return new(Stream) }
		x.client = &end{x: x, c: NewConn(Config{Role: Client}, alloc), r: newTestReader(t, true), halves: map[uint32]*halves{}}
		x.server = &end{x: x, c: NewConn(Config{Role: Server}, alloc), r: newTestReader(t, false), halves: map[uint32]*halves{}}
		x.client.peer, x.server.peer = x.server, x.client
		x.client.c.Out = x.client.c.Out[len(Preface):]
		x.server.flush(1 << 20)
		x.client.arrive(1 << 20)
		p := &merger{x: x, left: map[*Stream]int{}, lies: map[*Stream][]byte{}}
		for range uploads {
			s, err := x.client.c.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			x.client.c.SendRequestHead(s, "POST", "http", "a", "/s/m", nil, false)
			x.client.halves[s.ID] = &halves{s: s}
			p.streams = append(p.streams, s)
			p.left[s] = 5 + size
		}
		idle := 0
		for ; idle < 40 && p.sum() > 0; idle++ {
			if p.take(front, size) {
				idle = 0
			}
			for p.pass() {
				idle = 0
			}
			x.server.flush(1 << 20)
			x.client.arrive(1 << 30)
			for _, h := range x.server.halves {
				x.server.tell(h)
				for len(h.whole) > 0 {
					h.take()
				}
				if x.rnd.IntN(20) == 0 {
					x.server.giveBack(h) // handlers take their time
				}
			}
			x.now += 20e6
			x.client.c.Now, x.server.c.Now = x.now, x.now
			if idle > 0 {
				x.now += flow.TickEvery
				x.server.tick()
			}
		}
		if p.sum() > 0 || len(x.ended) > 0 {
			t.Fatalf("seed %d: %d bytes have not been sent, %d streams ended: %v", seed, p.sum(), len(x.ended), x)
		}
	}
}

// A merger is the proxy.
type merger struct {
	x       *exchange
	streams []*Stream
	left    map[*Stream]int    // of the upload at its client
	lies    map[*Stream][]byte // in the proxy's buffers
	held    int                // sum of lies
}

// sum is what has not been passed on.
func (p *merger) sum() (n int) {
	for _, s := range p.streams {
		n += p.left[s] + len(p.lies[s])
	}
	return n
}

// take takes what clients may send.
func (p *merger) take(front, size int) (some bool) {
	for range len(p.streams) {
		s := p.streams[p.x.rnd.IntN(len(p.streams))]
		n := min(p.left[s], front-len(p.lies[s]), front-p.held, 1<<14)
		if n <= 0 || n < 5 && p.left[s] > n {
			continue
		}
		b := make([]byte, n)
		if p.left[s] == 5+size {
			binary.BigEndian.PutUint32(b[1:], uint32(size))
		}
		p.lies[s] = append(p.lies[s], b...)
		p.left[s] -= n
		p.held += n
		some = true
	}
	return some
}

// pass passes on what the windows let through.
func (p *merger) pass() (some bool) {
	for _, s := range p.streams {
		n := int(min(int64(len(p.lies[s])), s.sendWindow))
		if n <= 0 || s.Queued() > 0 || s.Closed {
			continue
		}
		body := &mem.Buf{B: append([]byte(nil), p.lies[s][:n]...)}
		p.lies[s] = p.lies[s][n:]
		p.held -= n
		p.x.client.c.Send(s, body, p.left[s] == 0 && len(p.lies[s]) == 0, nil)
		some = true
	}
	p.x.client.flush(1 << 20)
	p.x.server.arrive(1 << 30)
	return some
}
