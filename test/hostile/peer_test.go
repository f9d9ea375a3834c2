package hostile

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"google.golang.org/protobuf/proto"
)

// A peer is one hostile connection. Its methods append frames, legal or not; send writes them.
type peer struct {
	// immutable
	nc   net.Conn
	stop <-chan struct{} // closed when the attack's time is up

	credit *credit // has its own lock

	// owned by the attacker
	out    []byte
	nextID uint32
	n      int // steps done, for attacks that vary
	hits   int // connections made beside this one

	// written by the reader
	dead   atomic.Bool // the other side ended the connection
	resets atomic.Int64
	mu     sync.Mutex
	goAway string // code and debug text of the last GOAWAY; guarded by mu
	wg     sync.WaitGroup
}

const (
	flushAt   = 32 << 10
	sendLimit = 5 * time.Second // the other side reads, or it is over
)

// dialPeer connects and, unless raw, exchanges prefaces. A reader consumes what comes until the
// end.
func dialPeer(addr string, stop <-chan struct{}, raw bool, settings ...frame.Setting) (*peer, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return newPeer(nc, stop, raw, settings...), nil
}

// newPeer begins on a connection.
func newPeer(nc net.Conn, stop <-chan struct{}, raw bool, settings ...frame.Setting) *peer {
	p := &peer{nc: nc, stop: stop, nextID: 1, credit: newCredit()}
	if raw {
		return p
	}
	p.out = append(p.out, h2.Preface...)
	p.out = frame.AppendSettings(p.out, false, settings...)
	p.out = frame.AppendSettings(p.out, true)
	p.send()
	return p
}

// read starts the reader: peers that do not call it never read.
func (p *peer) read() {
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		p.readFrames()
		p.dead.Store(true)
	}()
}

func (p *peer) readFrames() {
	var hdr [frame.HeaderLen]byte
	payload := make([]byte, 1<<14+256)
	for {
		if _, err := io.ReadFull(p.nc, hdr[:]); err != nil {
			return
		}
		h := frame.ParseHeader(hdr[:])
		if int(h.Length) > len(payload) {
			return
		}
		b := payload[:h.Length]
		if _, err := io.ReadFull(p.nc, b); err != nil {
			return
		}
		p.credit.frame(h, b)
		switch h.Type {
		case frame.TypeRSTStream:
			p.resets.Add(1)
		case frame.TypeGoAway:
			g := frame.ParseGoAway(b)
			p.mu.Lock()
			p.goAway = fmt.Sprintf("%v %s", g.Code, g.Debug)
			p.mu.Unlock()
		}
	}
}

// send writes what was appended. A connection that the other side ended is noted, not reported:
// that is what most attacks are to come to.
func (p *peer) send() {
	if len(p.out) == 0 || p.dead.Load() {
		p.out = p.out[:0]
		return
	}
	_ = p.nc.SetWriteDeadline(time.Now().Add(sendLimit))
	if _, err := p.nc.Write(p.out); err != nil {
		p.dead.Store(true)
	}
	p.out = p.out[:0]
}

// over tells whether to stop attacking.
func (p *peer) over() bool {
	select {
	case <-p.stop:
		return true
	default:
		return p.dead.Load()
	}
}

// repeat appends with step and sends in large writes until the attack is over.
func (p *peer) repeat(step func()) {
	for !p.over() {
		for len(p.out) < flushAt {
			p.n++
			step()
		}
		p.send()
	}
}

// hold sends what was appended and keeps the connection until the attack is over.
func (p *peer) hold() {
	p.send()
	<-p.stop
}

func (p *peer) close() {
	_ = p.nc.Close()
	p.wg.Wait()
}

// id takes the next stream id.
func (p *peer) id() uint32 {
	id := p.nextID
	p.nextID += 2
	return id
}

// field is a literal field without indexing (RFC 7541 §6.2.2), without Huffman coding.
func field(dst []byte, name, value string) []byte {
	dst = append(dst, 0)
	return hstring(hstring(dst, name), value)
}

func hstring(dst []byte, s string) []byte {
	return append(hint(dst, 7, 0, len(s)), s...)
}

// hint is an integer with an n-bit prefix (RFC 7541 §5.1).
func hint(dst []byte, n uint, high byte, v int) []byte {
	most := 1<<n - 1
	if v < most {
		return append(dst, high|byte(v))
	}
	dst = append(dst, high|byte(most))
	for v -= most; v >= 128; v >>= 7 {
		dst = append(dst, byte(v)|128)
	}
	return append(dst, byte(v))
}

// Methods of the victim's service.
const (
	unary = "/naru.bench.v1.Echo/Unary"
	bidi  = "/naru.bench.v1.Echo/Bidi"
)

// head is the header block of a call, with more fields (name, value, ...) behind.
func head(path string, more ...string) []byte {
	b := field(nil, ":method", "POST")
	b = field(b, ":scheme", "http")
	b = field(b, ":path", path)
	b = field(b, ":authority", "victim")
	b = field(b, "content-type", "application/grpc")
	b = field(b, "te", "trailers")
	for i := 0; i+1 < len(more); i += 2 {
		b = field(b, more[i], more[i+1])
	}
	return b
}

// block makes a header block of exactly these fields.
func block(pairs ...string) []byte {
	var b []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		b = field(b, pairs[i], pairs[i+1])
	}
	return b
}

// headers appends HEADERS, with CONTINUATION if the block is long.
func (p *peer) headers(id uint32, end bool, block []byte) {
	p.out = frame.AppendHeaders(p.out, id, end, 1<<14, block)
}

// data appends one DATA frame.
func (p *peer) data(id uint32, end bool, b []byte) { p.out = frame.AppendData(p.out, id, end, b) }

// call appends a complete unary call and returns its stream.
func (p *peer) call(path string, body []byte) uint32 {
	id := p.id()
	p.headers(id, false, head(path))
	p.data(id, true, body)
	return id
}

func (p *peer) reset(id uint32) { p.out = frame.AppendRSTStream(p.out, id, frame.Cancel) }

func (p *peer) window(id, n uint32) { p.out = frame.AppendWindowUpdate(p.out, id, n) }

// raw appends a frame of any kind.
func (p *peer) raw(t frame.Type, flags frame.Flags, id uint32, payload []byte) {
	p.out = frame.AppendHeader(p.out, frame.Header{Length: uint32(len(payload)), Type: t, Flags: flags, StreamID: id})
	p.out = append(p.out, payload...)
}

// message is a length-prefixed message.
func message(m *benchpb.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return prefixed(0, len(b), b)
}

// prefixed puts a prefix that says what it likes before b.
func prefixed(flag byte, claim int, b []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{flag}, uint32(claim))
	return append(out, b...)
}

// eventually waits for something that other goroutines bring about.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Errorf("not within 10 s: %s", what)
			return
		}
	}
}
