package guards

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru/test/bench/benchpb"
)

// A rawClient speaks just enough HTTP/2 to make one unary call after another, and allocates
// nothing while doing so: what a test counts is the server's. Close its nc.
type rawClient struct {
	nc     net.Conn
	calls  [2][]byte // frames of the first call on the connection, and of every later one
	next   uint32
	buf    []byte
	unread []byte // of buf
}

func newRawClient(t *testing.T, addr string) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &rawClient{nc: nc, next: 1, buf: make([]byte, 4096)}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := range c.calls {
		block.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/naru.bench.v1.Echo/Unary"},
			{":authority", addr}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
			if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				t.Fatal(err)
			}
		}
		c.calls[i] = callFrames(t, block.Bytes())
	}
	var hello bytes.Buffer
	hello.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&hello, nil)
	if err := fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	// Windows large enough for every test, so that no update needs to be sent.
	if err := fr.WriteWindowUpdate(0, 1<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(hello.Bytes()); err != nil {
		t.Fatal(err)
	}
	return c
}

// callFrames is HEADERS and DATA of one call on stream 1.
func callFrames(t *testing.T, block []byte) []byte {
	t.Helper()
	msg, err := proto.Marshal(&benchpb.Message{Message: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fr := http2.NewFramer(&out, nil)
	if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	if err := fr.WriteData(1, true, append([]byte{0, 0, 0, 0, byte(len(msg))}, msg...)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// call makes one call and waits for the end of its stream.
func (c *rawClient) call() error {
	call := c.calls[min(1, c.next/2)]
	for p := call; len(p) > 0; p = p[9+int(binary.BigEndian.Uint32(p)>>8):] {
		binary.BigEndian.PutUint32(p[5:9], c.next)
	}
	if _, err := c.nc.Write(call); err != nil {
		return err
	}
	const endStream = 0x1
	for {
		typ, flags, id, err := c.frame()
		switch {
		case err != nil:
			return err
		case typ == byte(http2.FrameGoAway) || typ == byte(http2.FrameRSTStream):
			return fmt.Errorf("frame of type %d on stream %d", typ, id)
		case id == c.next && typ == typeHeaders && flags&endStream != 0:
			c.next += 2
			return nil
		}
	}
}

// frame reads one frame and drops its payload.
func (c *rawClient) frame() (typ, flags byte, id uint32, err error) {
	need := 9
	for {
		if len(c.unread) >= 9 {
			need = 9 + int(binary.BigEndian.Uint32(c.unread)>>8)
		}
		if len(c.unread) >= need {
			h := c.unread
			c.unread = c.unread[need:]
			return h[3], h[4], binary.BigEndian.Uint32(h[5:9]), nil
		}
		if need > len(c.buf) {
			return 0, 0, 0, fmt.Errorf("frame of %d bytes: more than this client takes", need)
		}
		kept := copy(c.buf, c.unread)
		n, err := c.nc.Read(c.buf[kept:])
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil {
			return 0, 0, 0, err
		}
		c.unread = c.buf[:kept+n]
	}
}
