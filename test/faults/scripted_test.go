package faults

import (
	"io"
	"net"
	"sync"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/test/bench/benchpb"
)

// scripts is a server that answers the first requests of its first connection as it is told, and
// all others at once and well.
type scripts struct {
	// immutable
	begun  func(*scripted) // told of the first connection when it is open
	script uint32          // last stream of that which is answered as told

	wg sync.WaitGroup // connections

	mu   sync.Mutex
	seen map[int64]int // requests by number; guarded by mu
}

func newScripts(requests int, begun func(*scripted)) *scripts {
	return &scripts{begun: begun, script: uint32(2*requests - 1), seen: make(map[int64]int)}
}

// serve accepts until lis is closed.
func (s *scripts) serve(lis net.Listener) {
	for n := 0; ; n++ {
		nc, err := lis.Accept()
		if err != nil {
			return
		}
		c := &scripted{all: s, nc: nc, enc: hpack.NewEncoder(4096), first: n == 0}
		c.write(frame.AppendSettings(frame.AppendSettings(nil, false), true))
		s.wg.Go(c.read)
		if n == 0 {
			s.begun(c)
		}
	}
}

func (s *scripts) saw(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[id]++
}

func (s *scripts) count(id int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[id]
}

// scripted is one connection of a server.
type scripted struct {
	// immutable
	all   *scripts
	nc    net.Conn
	first bool

	mu  sync.Mutex
	enc *hpack.Encoder   // guarded by mu
	ids map[uint32]int64 // number of the request of each stream; guarded by mu
}

func (c *scripted) write(p []byte) { _, _ = c.nc.Write(p) }

// read takes requests until the connection ends.
func (c *scripted) read() {
	defer c.nc.Close()
	if _, err := io.ReadFull(c.nc, make([]byte, len(h2.Preface))); err != nil {
		return
	}
	for {
		h, payload, err := readFrame(c.nc)
		if err != nil {
			return
		}
		switch {
		case h.Type == frame.TypeData && h.Length >= 5:
			m := new(benchpb.Message)
			if proto.Unmarshal(payload[5:], m) != nil {
				return
			}
			c.request(h.StreamID, m.GetId())
		case h.Type == frame.TypePing && h.Flags&frame.FlagAck == 0:
			c.write(frame.AppendPing(nil, true, frame.ParsePing(payload)))
		}
	}
}

func readFrame(r io.Reader) (frame.Header, []byte, error) {
	var b [frame.HeaderLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return frame.Header{}, nil, err
	}
	h := frame.ParseHeader(b[:])
	payload := make([]byte, h.Length)
	_, err := io.ReadFull(r, payload)
	return h, payload, err
}

func (c *scripted) request(stream uint32, id int64) {
	c.all.saw(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil {
		c.ids = make(map[uint32]int64)
	}
	c.ids[stream] = id
	if !c.first || stream > c.all.script {
		c.write(c.frame('T', stream, c.frame('D', stream, c.frame('H', stream, nil))))
	}
}

// frame appends the HEADERS, the DATA or the trailers of an answer. c.mu is held.
func (c *scripted) frame(kind rune, stream uint32, out []byte) []byte {
	switch kind {
	case 'H':
		block := c.enc.BeginBlock(nil)
		block = c.enc.AppendField(block, hpack.Field{Name: ":status", Value: "200"}, true)
		block = c.enc.AppendField(block, hpack.Field{Name: "content-type", Value: "application/grpc"}, true)
		return frame.AppendHeaders(out, stream, false, frame.MinMaxFrameSize, block)
	case 'D':
		m, _ := proto.Marshal(&benchpb.Message{Id: c.ids[stream]}) // never fails: no strings
		return frame.AppendData(out, stream, false, append([]byte{0, 0, 0, 0, byte(len(m))}, m...))
	}
	block := c.enc.AppendField(c.enc.BeginBlock(nil), hpack.Field{Name: "grpc-status", Value: "0"}, true)
	return frame.AppendHeaders(out, stream, true, frame.MinMaxFrameSize, block)
}

// deliver writes the frames of a, in one piece or each when the client has done what the one before
// says.
func (c *scripted) deliver(a answer) {
	var out []byte
	for _, f := range a.order {
		c.mu.Lock()
		switch f {
		case 'H', 'D', 'T':
			out = c.frame(f, 1, out)
		case 'h', 'd', 't':
			out = c.frame(f-'a'+'A', 3, out)
		case 'G':
			out = frame.AppendGoAway(out, a.last, frame.NoError, "")
		case 'g':
			out = frame.AppendGoAway(out, frame.MaxStreamID, frame.NoError, "")
		case 'R':
			out = frame.AppendRSTStream(out, 1, a.code)
		}
		c.mu.Unlock()
		if a.apart {
			c.write(out)
			out = nil
			synctest.Wait()
		}
	}
	c.write(out)
}
