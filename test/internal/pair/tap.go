package pair

import (
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A Tap reads along on plaintext HTTP/2 connections of clients: which streams are open, and how
// large header sections are as RFC 9113 §10.5.1 counts them. It knows neither stack's code. Its
// methods are safe for concurrent use.
type Tap struct {
	mu   sync.Mutex
	open map[tapStream]ends // guarded by mu
	last HeaderSizes        // guarded by mu
}

// HeaderSizes are the sizes of the header sections of the last call of a tap, in bytes: names,
// values and 32 for each field. Header is 0 if the response began with its trailers. The fields are
// counted likewise.
type HeaderSizes struct {
	Request, Header, Trailer                   int
	RequestFields, HeaderFields, TrailerFields int
}

type tapStream struct {
	conn *tapConn
	id   uint32
}

// ends says which sides of a stream have ended, and whether a header section has been received.
type ends struct{ client, server, head bool }

// NewTap returns a tap that has seen nothing.
func NewTap() *Tap { return &Tap{open: make(map[tapStream]ends)} }

// Open returns how many streams have begun and not ended.
func (t *Tap) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// Last returns the sizes of the last call's header sections.
func (t *Tap) Last() HeaderSizes {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// Wrap reads along on a connection that a client has dialed.
func (t *Tap) Wrap(nc net.Conn) net.Conn {
	c := &tapConn{Conn: nc, tap: t}
	c.up = frameReader{skip: len(http2.ClientPreface), each: c.sent, dec: hpack.NewDecoder(4096, nil)}
	c.down = frameReader{each: c.received, dec: hpack.NewDecoder(4096, nil)}
	// The peer may be told to use another table size: take any.
	c.up.dec.SetAllowedMaxDynamicTableSize(1 << 20)
	c.down.dec.SetAllowedMaxDynamicTableSize(1 << 20)
	return c
}

type tapConn struct {
	net.Conn
	tap      *Tap
	up, down frameReader // guarded by tap.mu
}

// Read implements net.Conn.
func (c *tapConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.down.feed(p[:n])
	return n, err
}

// Write implements net.Conn. What is written counts as sent before the peer can answer it.
func (c *tapConn) Write(p []byte) (int, error) {
	c.tap.mu.Lock()
	c.up.feed(p)
	c.tap.mu.Unlock()
	return c.Conn.Write(p)
}

// Close implements net.Conn: streams of a closed connection are not open.
func (c *tapConn) Close() error {
	c.tap.mu.Lock()
	for s := range c.tap.open {
		if s.conn == c {
			delete(c.tap.open, s)
		}
	}
	c.tap.mu.Unlock()
	return c.Conn.Close()
}

func (c *tapConn) sent(f tapFrame) {
	s := tapStream{c, f.StreamID}
	e, known := c.tap.open[s]
	switch f.Type {
	case http2.FrameHeaders:
		if !known {
			c.tap.last = HeaderSizes{Request: f.size, RequestFields: f.fields}
		}
		e.client = f.Flags.Has(http2.FlagHeadersEndStream)
		c.settle(s, e)
	case http2.FrameData:
		if known {
			e.client = e.client || f.Flags.Has(http2.FlagDataEndStream)
			c.settle(s, e)
		}
	case http2.FrameRSTStream:
		delete(c.tap.open, s)
	}
}

func (c *tapConn) received(f tapFrame) {
	s := tapStream{c, f.StreamID}
	e, known := c.tap.open[s]
	switch f.Type {
	case http2.FrameHeaders:
		ended := f.Flags.Has(http2.FlagHeadersEndStream)
		if ended {
			c.tap.last.Trailer, c.tap.last.TrailerFields = f.size, f.fields
		} else if !e.head {
			c.tap.last.Header, c.tap.last.HeaderFields = f.size, f.fields
		}
		if known {
			e.head, e.server = true, ended
			c.settle(s, e)
		}
	case http2.FrameData:
		if known {
			e.server = e.server || f.Flags.Has(http2.FlagDataEndStream)
			c.settle(s, e)
		}
	case http2.FrameRSTStream:
		delete(c.tap.open, s)
	}
}

func (c *tapConn) settle(s tapStream, e ends) {
	if e.client && e.server {
		delete(c.tap.open, s)
		return
	}
	c.tap.open[s] = e
}

// A tapFrame is a frame; a header section is one frame whatever CONTINUATION frames it took.
type tapFrame struct {
	http2.FrameHeader
	size, fields int
}

// A frameReader cuts one direction of a connection into frames.
type frameReader struct {
	skip  int // bytes of the preface to come
	buf   []byte
	block []byte            // of the header section that has begun
	begun http2.FrameHeader // its HEADERS
	dec   *hpack.Decoder
	each  func(tapFrame)
}

const frameHeaderLen = 9

func (r *frameReader) feed(p []byte) {
	if r.skip > 0 {
		n := min(r.skip, len(p))
		r.skip -= n
		p = p[n:]
	}
	r.buf = append(r.buf, p...)
	for len(r.buf) >= frameHeaderLen {
		b := r.buf
		n := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		if len(b) < frameHeaderLen+n {
			return
		}
		h := http2.FrameHeader{
			Length: uint32(n), Type: http2.FrameType(b[3]), Flags: http2.Flags(b[4]),
			StreamID: (uint32(b[5])<<24 | uint32(b[6])<<16 | uint32(b[7])<<8 | uint32(b[8])) & (1<<31 - 1),
		}
		r.frame(h, b[frameHeaderLen:frameHeaderLen+n])
		r.buf = r.buf[frameHeaderLen+n:]
	}
	if len(r.buf) == 0 {
		r.buf = nil
	}
}

func (r *frameReader) frame(h http2.FrameHeader, p []byte) {
	switch h.Type {
	case http2.FrameHeaders:
		if h.Flags.Has(http2.FlagHeadersPadded) {
			pad := int(p[0])
			p = p[1 : len(p)-pad]
		}
		if h.Flags.Has(http2.FlagHeadersPriority) {
			p = p[5:]
		}
		r.begun, r.block = h, append([]byte(nil), p...)
	case http2.FrameContinuation:
		r.block = append(r.block, p...)
	default:
		r.each(tapFrame{FrameHeader: h})
		return
	}
	if !h.Flags.Has(http2.FlagHeadersEndHeaders) { // the same bit in both types
		return
	}
	f := tapFrame{FrameHeader: r.begun}
	fields, err := r.dec.DecodeFull(r.block)
	if err != nil {
		f.size = -1 // no row expects it
	}
	for _, field := range fields {
		f.size += int(field.Size())
		f.fields++
	}
	r.each(f)
}
