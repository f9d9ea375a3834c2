package nethttp

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/internal/transport"
)

// oneConn is a listener of one connection, which ends when that is closed.
type oneConn struct {
	next chan net.Conn // of capacity 1; closed when the connection is
}

func (l *oneConn) Accept() (net.Conn, error) {
	if nc, ok := <-l.next; ok {
		return nc, nil
	}
	return nil, io.EOF
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return memnet.Addr("x") }

type closeTold struct {
	net.Conn
	tell func()
}

func (c *closeTold) Close() error {
	defer c.tell()
	return c.Conn.Close()
}

// FuzzHTTP1: whatever bytes a client of HTTP/1.1 sends, calls get bodies no longer than what came,
// each is told one end, and nothing is held when the connection is over.
func FuzzHTTP1(f *testing.F) {
	f.Add([]byte("POST /a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), uint16(0))
	f.Add([]byte("POST /a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), uint16(2))
	f.Add([]byte("POST /a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nffffffffffffffff\r\nabc"), uint16(1))
	f.Add([]byte("POST /a/b HTTP/1.1\nHost: x\n folded\n\nabc"), uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, early uint16) {
		if len(in) > 16<<10 {
			return
		}
		fx := new(fixture)
		total := 0 // of one connection, whose requests come one after another
		cfg := fx.config(func(c *call) {
			body, ended, closed := c.state()
			if closed == nil && !c.answered && (ended || len(body) > int(early)) {
				c.answered = true
				total += len(body)
				_ = c.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}, End: true})
			}
		})
		l := &oneConn{next: make(chan net.Conn, 1)}
		client, server := memnet.Pipe(64 << 10)
		l.next <- &closeTold{server, sync.OnceFunc(func() { close(l.next) })}
		hs := &http.Server{Handler: New(cfg), ErrorLog: log.New(io.Discard, "", 0)}
		served := make(chan struct{})
		go func() { defer close(served); _ = hs.Serve(l) }()
		_, _ = client.Write(in)
		_ = client.CloseWrite()
		out, _ := io.ReadAll(client)
		_ = client.Close()
		<-served
		_ = hs.Close()
		if total > len(in) {
			t.Fatalf("calls got %d bytes of %d", total, len(in))
		}
		if n := fx.held.Load(); n != 0 {
			t.Fatalf("%d bytes are held when the connection is over", n)
		}
		if len(out) > 0 && !bytes.HasPrefix(out, []byte("HTTP/1.1 ")) {
			t.Fatalf("the response begins with %q", out[:min(len(out), 50)])
		}
	})
}
