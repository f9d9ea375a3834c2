package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHeader = 9
	endStream   = 0x1
	ack         = 0x1
)

// script is what a connection sends.
type script struct {
	hello []byte
	first []byte // HEADERS and DATA of a connection's first call, which fills the header table
	later []byte // of every other
}

func newScript(c *Config) (*script, error) {
	var block, out bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fr := http2.NewFramer(&out, nil)
	var calls [2][]byte
	for i := range calls {
		block.Reset()
		out.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", c.Path}, {":authority", c.Addr},
			{"content-type", "application/grpc"}, {"te", "trailers"}, {"user-agent", "replay/1"}} {
			if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				return nil, err
			}
		}
		if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
			return nil, err
		}
		body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(c.Message))), c.Message...)
		if err := fr.WriteData(1, true, body); err != nil {
			return nil, err
		}
		calls[i] = bytes.Clone(out.Bytes())
	}
	out.Reset()
	out.WriteString(http2.ClientPreface)
	// Windows for the whole run, so that none has to be opened.
	if err := fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}); err != nil {
		return nil, err
	}
	if err := fr.WriteWindowUpdate(0, 1<<31-1<<16); err != nil {
		return nil, err
	}
	return &script{hello: bytes.Clone(out.Bytes()), first: calls[0], later: calls[1]}, nil
}

// appendCall appends the frames of a call with this stream number.
func (s *script) appendCall(p []byte, id uint32) []byte {
	call := s.later
	if id == 1 {
		call = s.first
	}
	begin := len(p)
	p = append(p, call...)
	for f := p[begin:]; len(f) > 0; f = f[frameLen(f):] {
		binary.BigEndian.PutUint32(f[5:], id)
	}
	return p
}

// frameLen is the length of the frame p begins with, its header included.
func frameLen(p []byte) int { return frameHeader + int(binary.BigEndian.Uint32(p)>>8) }

// seen is what a part of the responses held.
type seen struct {
	messages int // DATA frames; a call that fails has none
	ended    int // calls
}

// read looks at the whole frames in p. It returns the rest, and what they want answered appended to
// out.
func (s *seen) read(p, out []byte) (rest, answer []byte, err error) {
	for len(p) >= frameHeader && len(p) >= frameLen(p) {
		f := p[:frameLen(p)]
		p = p[len(f):]
		switch typ, flags := http2.FrameType(f[3]), f[4]; typ {
		case http2.FrameData:
			s.messages++
		case http2.FrameHeaders:
			if flags&endStream != 0 {
				s.ended++
			}
		case http2.FrameSettings:
			if flags&ack == 0 {
				out = append(out, 0, 0, 0, byte(http2.FrameSettings), ack, 0, 0, 0, 0)
			}
		case http2.FramePing:
			if flags&ack == 0 {
				out = append(append(out, 0, 0, 8, byte(http2.FramePing), ack, 0, 0, 0, 0), f[frameHeader:]...)
			}
		case http2.FrameRSTStream, http2.FrameGoAway:
			return p, out, fmt.Errorf("the server sent %v: %x", typ, f[frameHeader:])
		}
	}
	return p, out, nil
}
