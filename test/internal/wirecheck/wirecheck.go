// Package wirecheck watches what one end of an HTTP/2 connection sends and holds it to what the
// other end has granted: the windows of RFC 9113 §6.9, the size of frames, the number of streams,
// and the states of §5.1. It computes them anew from the frames alone, so that it does not believe
// the program it watches.
package wirecheck

import (
	"errors"
	"net"
	"os"
	"sync"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// A Conn reports the rules its user breaks. Safe for concurrent use as its net.Conn is.
type Conn struct {
	net.Conn
	client bool
	report func(format string, args ...any)

	mu      sync.Mutex
	in, out parser  // guarded by mu
	l       ledger  // guarded by mu
	broken  bool    // one report is enough, and none is needed when nothing gets through; guarded by mu
	ahead   int     // bytes parsed that a write was cut short of: they come again; guarded by mu
	pending []int64 // windows of SETTINGS that are smaller, and not acknowledged; guarded by mu
}

// ledger is what the end that is watched may send.
type ledger struct {
	window   int64             // of the connection
	initial  int64             // of streams
	frame    uint32            // most bytes of a frame
	streams  map[uint32]*state // by id
	open     int               // streams the client opened that have not ended
	limit    int               // most of those
	lastSent uint32            // id
}

// state is a stream.
type state struct {
	window               int64
	opened               bool // by us
	sentEnd, recvEnd     bool
	sentReset, recvReset bool
	over                 bool // counted as not open
}

// Client watches the client's end of nc, Server the server's. report is told of the first rule that
// is broken, by the goroutine that breaks it.
func Client(nc net.Conn, report func(format string, args ...any)) *Conn {
	return watch(nc, true, report)
}

// Server is Client for the other end.
func Server(nc net.Conn, report func(format string, args ...any)) *Conn {
	return watch(nc, false, report)
}

func watch(nc net.Conn, client bool, report func(format string, args ...any)) *Conn {
	c := &Conn{Conn: nc, client: client, report: report}
	// RFC 9113 §6.5.2 and §6.9.2: what holds until the peer says otherwise.
	c.l = ledger{window: 65_535, initial: 65_535, frame: frame.MinMaxFrameSize, limit: 1 << 30, streams: make(map[uint32]*state)}
	preface := len(h2.Preface)
	if client {
		c.out.skip = preface
	} else {
		c.in.skip = preface
	}
	return c
}

// Read implements net.Conn. What it grants counts before the program knows of it.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.parse(p[:n], c.received)
	return n, err
}

// Write implements net.Conn. What p sends is held against what was granted when it was called.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	known := min(c.ahead, len(p))
	c.out.parse(p[known:], c.sent)
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.ahead += len(p) - known - n
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.broken = true // nothing more gets through, and what is tried is not worth a look
	}
	c.mu.Unlock()
	return n, err
}

func (c *Conn) fail(format string, args ...any) {
	if !c.broken {
		c.broken = true
		c.report(format, args...)
	}
}

// stream returns the state of a stream, which it begins.
func (c *Conn) stream(id uint32) *state {
	s := c.l.streams[id]
	if s == nil {
		s = &state{window: c.l.initial}
		c.l.streams[id] = s
	}
	return s
}

// settle counts a stream that has ended, §5.1: by both ends, or by RST_STREAM.
func (c *Conn) settle(s *state) {
	if s.opened && !s.over && (s.sentReset || s.recvReset || s.sentEnd && s.recvEnd) {
		s.over = true
		c.l.open--
	}
}

// sent checks a frame of ours.
func (c *Conn) sent(h frame.Header, payload []byte) {
	if h.Length > c.l.frame {
		c.fail("a frame of %d bytes, of at most %d (§4.2)", h.Length, c.l.frame)
	}
	switch h.Type {
	case frame.TypeData:
		c.sentData(h)
	case frame.TypeHeaders:
		c.sentHeaders(h)
	case frame.TypeRSTStream:
		if c.client && h.StreamID > c.l.lastSent {
			c.fail("RST_STREAM on stream %d, which is idle (§6.4)", h.StreamID)
		}
		s := c.stream(h.StreamID)
		s.sentReset = true
		c.settle(s)
	case frame.TypeSettings:
		if h.Flags.Has(frame.FlagAck) && len(c.pending) > 0 {
			c.resize(c.pending[0])
			c.pending = c.pending[1:]
		}
	case frame.TypeWindowUpdate:
		if inc, err := frame.ParseWindowUpdate(h, payload); err != nil {
			c.fail("WINDOW_UPDATE of %d on stream %d: %v", inc, h.StreamID, err)
		}
	}
}

// sentData charges DATA, padding included, to both windows.
func (c *Conn) sentData(h frame.Header) {
	s, n := c.stream(h.StreamID), int64(h.Length)
	c.alive(s, h)
	s.window -= n
	c.l.window -= n
	switch {
	case n > 0 && s.window < 0:
		c.fail("DATA of %d bytes on stream %d, %d beyond the stream's window (§6.9.1)", n, h.StreamID, -s.window)
	case n > 0 && c.l.window < 0:
		c.fail("DATA of %d bytes on stream %d, %d beyond the connection's window (§6.9.1)", n, h.StreamID, -c.l.window)
	}
	s.sentEnd = h.Flags.Has(frame.FlagEndStream)
	c.settle(s)
}

func (c *Conn) sentHeaders(h frame.Header) {
	_, known := c.l.streams[h.StreamID]
	s := c.stream(h.StreamID)
	c.alive(s, h)
	if c.client && !known {
		if h.StreamID <= c.l.lastSent {
			c.fail("stream %d is opened after stream %d (§5.1.1)", h.StreamID, c.l.lastSent)
		}
		s.opened = true
		c.l.lastSent = h.StreamID
		if c.l.open++; c.l.open > c.l.limit {
			c.fail("stream %d is one of %d, of at most %d (§5.1.2)", h.StreamID, c.l.open, c.l.limit)
		}
	}
	s.sentEnd = h.Flags.Has(frame.FlagEndStream)
	c.settle(s)
}

// alive checks that a stream can take what is sent on it.
func (c *Conn) alive(s *state, h frame.Header) {
	switch {
	case h.StreamID == 0:
		c.fail("%v without a stream (§6.1, §6.2)", h.Type)
	case s.sentEnd:
		c.fail("%v on stream %d after END_STREAM (§5.1)", h.Type, h.StreamID)
	case s.sentReset: // one of the peer's the program may not have come to
		c.fail("%v on stream %d after RST_STREAM (§5.1)", h.Type, h.StreamID)
	}
}

// received applies what the peer grants.
func (c *Conn) received(h frame.Header, payload []byte) {
	switch h.Type {
	case frame.TypeWindowUpdate:
		inc, err := frame.ParseWindowUpdate(h, payload)
		if err != nil {
			return // the program's to deal with
		}
		if h.StreamID == 0 {
			c.l.window += int64(inc)
		} else {
			c.stream(h.StreamID).window += int64(inc)
		}
	case frame.TypeSettings:
		if !h.Flags.Has(frame.FlagAck) {
			c.receivedSettings(h, payload)
		}
	case frame.TypeHeaders, frame.TypeData:
		if h.Flags.Has(frame.FlagEndStream) {
			s := c.stream(h.StreamID)
			s.recvEnd = true
			c.settle(s)
		}
	case frame.TypeRSTStream:
		s := c.stream(h.StreamID)
		s.recvReset = true
		c.settle(s)
	}
}

// receivedSettings: more counts at once, less when the program has acknowledged it.
func (c *Conn) receivedSettings(h frame.Header, payload []byte) {
	initial := c.l.initial
	for p := payload; len(p) >= 6; p = p[6:] {
		id := frame.SettingID(uint16(p[0])<<8 | uint16(p[1]))
		v := uint32(p[2])<<24 | uint32(p[3])<<16 | uint32(p[4])<<8 | uint32(p[5])
		switch id {
		case frame.SettingInitialWindowSize:
			initial = int64(v)
		case frame.SettingMaxFrameSize:
			c.l.frame = max(c.l.frame, v)
		case frame.SettingMaxConcurrentStreams:
			c.l.limit = int(v)
		}
	}
	if initial > c.l.initial {
		c.resize(initial)
	}
	c.pending = append(c.pending, initial)
}

// resize changes the windows of all streams, §6.9.2. They may become negative: nothing may be sent
// then.
func (c *Conn) resize(initial int64) {
	delta := initial - c.l.initial
	c.l.initial = initial
	for _, s := range c.l.streams {
		s.window += delta
	}
}

// parser cuts one direction into frames.
type parser struct {
	skip int // bytes of the preface to come
	rest []byte
}

func (p *parser) parse(b []byte, each func(frame.Header, []byte)) {
	n := min(p.skip, len(b))
	p.skip -= n
	p.rest = append(p.rest, b[n:]...)
	for len(p.rest) >= frame.HeaderLen {
		h := frame.ParseHeader(p.rest)
		end := frame.HeaderLen + int(h.Length)
		if len(p.rest) < end {
			return
		}
		each(h, p.rest[frame.HeaderLen:end])
		p.rest = p.rest[end:]
	}
}
