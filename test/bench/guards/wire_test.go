package guards

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// A meteredConn counts writes and remembers bytes both ways. It offers no syscall.Conn, so
// that every byte goes through Read and Write.
type meteredConn struct {
	net.Conn
	writes atomic.Int64

	mu        sync.Mutex
	recording bool
	sent, got []byte // guarded by mu
}

func (c *meteredConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	c.mu.Lock()
	if c.recording {
		c.sent = append(c.sent, p...)
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	if c.recording {
		c.got = append(c.got, p[:n]...)
	}
	c.mu.Unlock()
	return n, err
}

// record forgets what was recorded and goes on recording.
func (c *meteredConn) record() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording, c.sent, c.got = true, nil, nil
}

func (c *meteredConn) recorded() (sent, got []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.got
}

// A meteredListener wraps what it accepts.
type meteredListener struct {
	net.Listener
	accepted chan *meteredConn // room for every connection of a test
}

func (l *meteredListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &meteredConn{Conn: nc}
	l.accepted <- c
	return c, nil
}

// serve starts an echo server and returns its address, and its connections if they are to be
// metered.
func serve(t *testing.T, metered bool) (addr string, accepted chan *meteredConn) {
	t.Helper()
	srv, err := echo.NewServer(echo.Naru, nil)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = make(chan *meteredConn, 16)
	serving := lis
	if metered {
		serving = &meteredListener{lis, accepted}
	}
	done := make(chan error)
	go func() { done <- srv.Serve(serving) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return lis.Addr().String(), accepted
}

// dialMetered returns a stub on one connection, which is metered.
func dialMetered(t *testing.T, addr string) (benchpbnaru.EchoClient, func() *meteredConn) {
	t.Helper()
	var conn atomic.Pointer[meteredConn]
	client, err := naru.NewClient(addr, naru.WithPlaintext(),
		naru.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			c := &meteredConn{Conn: nc}
			if !conn.CompareAndSwap(nil, c) {
				t.Error("a second connection was made")
			}
			return c, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return benchpbnaru.NewEchoClient(client), conn.Load
}

// frames cuts recorded bytes into frames and returns the lengths of the payloads of one type
// on streams above 0, with the total of everything.
func frames(t *testing.T, p []byte, typ byte) (lengths []int, total int) {
	t.Helper()
	total = len(p)
	for len(p) > 0 {
		if len(p) < 9 {
			t.Fatalf("recorded bytes end within a frame header: %x", p)
		}
		n := int(binary.BigEndian.Uint32(p) >> 8)
		if len(p) < 9+n {
			t.Fatalf("recorded bytes end within a frame of %d bytes: %x", n, p)
		}
		if p[3] == typ && binary.BigEndian.Uint32(p[5:9]) != 0 {
			lengths = append(lengths, n)
		}
		p = p[9+n:]
	}
	return lengths, total
}

const typeHeaders = 0x1

// TestBytesOfASteadyCall: the second identical call on a connection finds its headers in the
// HPACK table.
func TestBytesOfASteadyCall(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"no deadline": 0, "deadline": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			addr, _ := serve(t, false)
			stub, conn := dialMetered(t, addr)
			call := func() {
				ctx := t.Context()
				if timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, timeout)
					defer cancel()
				}
				if _, err := stub.Unary(ctx, &benchpb.Message{Message: "hello"}); err != nil {
					t.Fatal(err)
				}
			}
			call()
			conn().record()
			call()
			sent, got := conn().recorded()

			request, out := frames(t, sent, typeHeaders)
			if len(request) != 1 || request[0] > 30 {
				t.Errorf("request HEADERS of %v bytes, want one of 30 at most", request)
			}
			response, in := frames(t, got, typeHeaders)
			if len(response) != 2 || response[0]+response[1] > 10 {
				t.Errorf("response HEADERS of %v bytes, want two of 10 in all at most", response)
			}
			t.Logf("request HEADERS %v bytes, response HEADERS %v bytes; %d bytes out, %d in", request, response, out, in)
		})
	}
}
