package h2

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/mem"
)

var exchanges = flag.Uint64("exchanges", 150, "how many of TestEveryMessageComes")

// TestEveryMessageComes exchanges random messages between two connections, with everything that the
// shell, the network and the two programs may do later than they could: flushes, arrival, in pieces
// cut anywhere, what Want says, the taking of messages and the credit for them. When all of it has
// been done, nothing may be left: a message that waits for window has it, or it is on its way.
func TestEveryMessageComes(t *testing.T) {
	for seed := range *exchanges {
		x := newExchange(t, seed)
		for range 100 + x.rnd.IntN(2000) {
			x.step()
		}
		x.settle()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// An exchange is two connections and the network between them.
type exchange struct {
	t              *testing.T
	rnd            *rand.Rand
	client, server *end
	now            int64
	short          bool
	// unary is one message each way, which the programs take when the end behind it has come, and
	// ends that are sent only while there is window, as nghttp2 does.
	unary bool
	ended map[uint32]bool // by Tick, for memory
}

// An end is one side of it.
type end struct {
	x       *exchange
	c       *Conn
	r       *Reader
	peer    *end
	arrives []byte // sent by the peer, on its way
	rest    []byte // arrived, part of a frame
	data    *Stream
	halves  map[uint32]*halves
}

// halves is a stream as the program of one end sees it.
type halves struct {
	s *Stream

	toSend []int // sizes of messages
	sent   []int
	done   bool // the end is sent

	pre      []byte // of the message being received: prefix, until it is complete
	need     int
	offset   int64
	wants    [][2]int64 // not told yet
	whole    []int      // messages that are complete, and not taken
	received []int
	credit   int // taken, and not given back
	ended    bool
}

func newExchange(t *testing.T, seed uint64) *exchange {
	x := &exchange{t: t, rnd: rand.New(rand.NewPCG(seed, 9113)), now: 1e12, ended: map[uint32]bool{}}
	alloc := func() *Stream { return new(Stream) }
	pick := func(of ...int32) int32 { return of[x.rnd.IntN(len(of))] }
	x.unary = x.rnd.IntN(3) == 0
	least := int32(16 << 10)
	if x.unary {
		least = 64 << 10 // it is not left over of a window that one frame fills, which no option permits
	}
	config := func(role Role) Config {
		return Config{
			Role:            role,
			StreamWindow:    pick(0, 0, least, 64<<10, 200_000, 1<<20),
			MaxStreamWindow: pick(0, 0, 256<<10),
			ReceiveMemory:   pick(0, 0, 64<<10, 1<<20),
			Short:           func() bool { return x.short && role == Server },
		}
	}
	x.client = &end{x: x, c: NewConn(config(Client), alloc), r: newTestReader(t, true), halves: map[uint32]*halves{}}
	x.server = &end{x: x, c: NewConn(config(Server), alloc), r: newTestReader(t, false), halves: map[uint32]*halves{}}
	x.client.peer, x.server.peer = x.server, x.client
	x.client.c.Out = x.client.c.Out[len(Preface):]
	x.server.flush(1 << 20) // a client of ours waits for the server's SETTINGS
	x.client.arrive(1 << 20)
	for range 1 + x.rnd.IntN(6) {
		s, err := x.client.c.OpenStream()
		if err == ErrStreamLimit {
			break
		}
		x.client.c.SendRequestHead(s, "POST", "http", "a", "/s/m", nil, false)
		x.client.halves[s.ID] = x.newHalves(s)
	}
	return x
}

func (x *exchange) newHalves(s *Stream) *halves {
	h := &halves{s: s}
	for n := range 1 + x.rnd.IntN(5) {
		if n > 0 && x.unary {
			break
		}
		h.toSend = append(h.toSend, x.size())
	}
	return h
}

// size is a message's: of all orders, and close to what windows are made for.
func (x *exchange) size() int {
	switch x.rnd.IntN(4) {
	case 0:
		return x.rnd.IntN(100)
	case 1:
		return 1 << x.rnd.IntN(21)
	case 2:
		return x.rnd.IntN(300_000)
	}
	return []int{16 << 10, 64 << 10, 70 << 10, 80 << 10}[x.rnd.IntN(4)] - 20 + x.rnd.IntN(40)
}

// step lets something happen at one of the ends.
func (x *exchange) step() {
	e := x.client
	if x.rnd.IntN(2) == 0 {
		e = x.server
	}
	x.now += x.rnd.Int64N(5e6)
	x.client.c.Now, x.server.c.Now = x.now, x.now
	h := e.one()
	switch x.rnd.IntN(20) {
	case 0, 1, 2, 3, 4:
		e.arrive(1 + x.rnd.IntN(1<<x.rnd.IntN(17)))
	case 5, 6, 7, 8:
		e.flush(1 << (10 + x.rnd.IntN(8)))
	case 9, 10, 11:
		if h != nil && (h.s.Queued() <= SendLowWater || x.rnd.IntN(10) == 0) {
			e.send(h)
		}
	case 12, 13:
		if h != nil && (h.ended || !x.unary) {
			h.take()
		}
	case 14, 15:
		if h != nil {
			e.giveBack(h)
		}
	case 16, 17:
		if h != nil {
			e.tell(h)
		}
	case 18:
		x.short = x.rnd.IntN(3) == 0
	case 19:
		e.tick()
	}
	e.check()
}

// check fails if the state of e is one that must not be. Streams that are over count while the
// program has not taken all.
func (e *end) check() {
	e.x.t.Helper()
	err := e.c.recv.Check(func(yield func(*flow.Stream) bool) {
		for _, h := range e.halves {
			if !yield(&h.s.recv) {
				return
			}
		}
	})
	if err != nil {
		e.x.t.Fatal(err)
	}
}

// one returns a stream of e, or nil.
func (e *end) one() *halves {
	if len(e.halves) == 0 {
		return nil
	}
	return e.halves[uint32(1+2*e.x.rnd.IntN(len(e.halves)))]
}

// settle lets everything happen that has not yet, and then looks whether all has come.
func (x *exchange) settle() {
	x.short = false
	for idle := 0; idle < 100; idle++ {
		before := x.String()
		for _, e := range []*end{x.client, x.server} {
			for _, h := range e.halves {
				e.send(h)
				e.tell(h)
				for len(h.whole) > 0 && (h.ended || !x.unary) {
					h.take()
				}
				e.giveBack(h)
			}
			e.tick()
			e.flush(1 << 20)
			e.arrive(1 << 30)
			e.check()
		}
		x.now += flow.TickEvery
		x.client.c.Now, x.server.c.Now = x.now, x.now
		if x.String() != before {
			idle = 0
		}
	}
	for id, h := range x.client.halves {
		o := x.server.halves[id]
		if x.ended[id] {
			continue
		}
		if o == nil || !h.ended || !o.ended || !slices.Equal(h.sent, o.received) || !slices.Equal(o.sent, h.received) {
			x.t.Errorf("stream %d has not come whole: %v", id, x)
			return
		}
		if !h.s.Closed || !o.s.Closed {
			x.t.Errorf("stream %d has not ended: %v", id, x)
		}
	}
	for _, e := range []*end{x.client, x.server} {
		if e.c.Unsent.Bytes != 0 || e.c.recv.Held() != 0 || e.c.CanFill() || len(e.c.Out) > 0 {
			x.t.Errorf("%d bytes unsent, %d held, %d in the out-buffer: %v", e.c.Unsent.Bytes, e.c.recv.Held(), len(e.c.Out), x)
		}
	}
}

// String describes where all streams stand.
func (x *exchange) String() string {
	var b []byte
	for _, e := range []*end{x.client, x.server} {
		b = fmt.Appendf(b, "\n%d of the connection's window, %d on their way", e.c.sendWindow, len(e.arrives)+len(e.rest))
		for id := uint32(1); id < uint32(2*len(e.halves)); id += 2 {
			h := e.halves[id]
			b = fmt.Appendf(b, "\n  %d: sends %v of %v, %d queued, window %d; received %v, lacks %d; %v",
				id, h.sent, h.toSend, h.s.Queued(), h.s.sendWindow, h.received, h.need, &h.s.recv)
		}
	}
	return string(b)
}

// send sends the next message, or the end, alone or with the last message.
func (e *end) send(h *halves) {
	if h.done || h.s.Closed {
		return
	}
	if e.x.unary && len(h.toSend) == 0 && (h.s.Queued() > 0 || h.s.sendWindow <= 0) {
		return
	}
	var body *mem.Buf
	if len(h.toSend) > 0 {
		n := h.toSend[0]
		body = &mem.Buf{B: make([]byte, 5+n)}
		binary.BigEndian.PutUint32(body.B[1:], uint32(n))
		h.sent, h.toSend = append(h.sent, n), h.toSend[1:]
	}
	var trailers []hpack.Field
	h.done = len(h.toSend) == 0 && (body == nil || e.x.rnd.IntN(2) == 0 && !e.x.unary)
	if h.done && e == e.x.server {
		if !h.s.RemoteClosed { // a response that ends sooner resets the stream
			h.done = false
			if body == nil {
				return
			}
		} else if e.x.rnd.IntN(2) == 0 {
			trailers = []hpack.Field{{Name: "grpc-status", Value: "0"}}
		}
	}
	e.c.Send(h.s, body, h.done, trailers)
}

func (e *end) flush(limit int) {
	e.c.Fill(limit)
	e.peer.arrives = append(e.peer.arrives, e.c.TakeOut(nil)...)
}

// arrive brings n bytes of what is on its way.
func (e *end) arrive(n int) {
	n = min(n, len(e.arrives))
	e.rest = append(e.rest, e.arrives[:n]...)
	e.arrives = e.arrives[n:]
	for {
		ev, n, err := e.r.Next(e.rest)
		if err != nil {
			e.x.t.Fatalf("reading: %v", err)
		}
		if n == 0 {
			return
		}
		if err := e.event(ev); err != nil {
			e.x.t.Fatalf("%v: %v, %v", ev.Kind, err, e.x)
		}
		e.rest = e.rest[n:]
	}
}

func (e *end) event(ev *Event) (err error) {
	switch ev.Kind {
	case EventHeaders:
		var s *Stream
		var v Verdict
		s, v, err = e.c.RecvHeaders(ev.StreamID, ev.End, false)
		switch {
		case v == NewHead && e == e.x.server:
			e.c.SendResponseHead(s, "200", nil, false)
			e.halves[s.ID] = e.x.newHalves(s)
		case v == Trailers && err == nil:
			e.halves[s.ID].ended = true
			e.c.Settle(s)
		}
	case EventData:
		return e.receive(ev)
	case EventReset:
		e.x.ended[ev.StreamID] = true
		_, err = e.c.RecvReset(ev.StreamID)
	case EventSettings:
		err = e.c.RecvSettings(ev.Settings)
	case EventSettingsAck:
		e.c.RecvSettingsAck()
	case EventWindowUpdate:
		err = e.c.RecvWindowUpdate(ev.StreamID, ev.Increment)
	}
	return err
}

func (e *end) receive(ev *Event) (err error) {
	if ev.First {
		if e.data, err = e.c.RecvData(ev.StreamID, ev.FlowLen, ev.DataLen); err != nil {
			return err
		}
	}
	if e.data == nil || e.data.Closed {
		return nil
	}
	e.c.Delivered(e.data, len(ev.Data))
	h := e.halves[e.data.ID]
	h.add(ev.Data)
	if ev.End {
		h.ended = true
		if err = e.c.RecvDataEnd(e.data); err == nil {
			e.c.Settle(e.data)
		}
	}
	return err
}

// add cuts bytes into messages.
func (h *halves) add(p []byte) {
	for len(p) > 0 {
		if len(h.pre) < 5 {
			n := min(5-len(h.pre), len(p))
			h.pre = append(h.pre, p[:n]...)
			p = p[n:]
			if len(h.pre) < 5 {
				return
			}
			h.need = int(binary.BigEndian.Uint32(h.pre[1:]))
			end := h.offset + int64(5+h.need)
			if h.need > len(p) {
				h.wants = append(h.wants, [2]int64{h.offset, end})
			}
			h.offset = end
		}
		n := min(h.need, len(p))
		p = p[n:]
		if h.need -= n; h.need == 0 {
			h.whole = append(h.whole, int(binary.BigEndian.Uint32(h.pre[1:])))
			h.pre = h.pre[:0]
		}
	}
	if len(h.pre) == 5 && h.need == 0 { // an empty message at the end of p
		h.whole, h.pre = append(h.whole, 0), h.pre[:0]
	}
}

// tell passes on one Want.
func (e *end) tell(h *halves) {
	if len(h.wants) == 0 {
		return
	}
	e.c.Want(h.s, h.wants[0][0], h.wants[0][1])
	h.wants = h.wants[1:]
}

func (h *halves) take() {
	if len(h.whole) > 0 {
		h.received = append(h.received, h.whole[0])
		h.credit += 5 + h.whole[0]
		h.whole = h.whole[1:]
	}
}

func (e *end) giveBack(h *halves) {
	if h.s.Closed && e.x.ended[h.s.ID] { // half a message, too
		h.credit = int(h.s.recv.Holder(e.x.now).Bytes)
		h.whole = nil
	}
	if h.credit > 0 {
		e.c.Consumed(h.s, int64(h.credit))
		h.credit = 0
	}
}

// tick looks after messages that wait for memory, as the shell's timer does.
func (e *end) tick() {
	if e.c.Overfull() {
		for _, s := range e.c.Excess() {
			e.x.ended[s.ID] = true
			e.c.Reset(s, frame.EnhanceYourCalm)
		}
	}
	if !e.c.Waits() {
		return
	}
	for _, s := range e.c.Tick(e.x.now) {
		e.x.ended[s.ID] = true
		e.c.Reset(s, frame.EnhanceYourCalm)
	}
}
