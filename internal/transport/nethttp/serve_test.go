package nethttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// A call is a request as its handler sees it.
type call struct {
	stream transport.ServerStream
	head   *transport.RequestHead
	on     func(c *call)    // told of each of the following
	closed *transport.Error // guarded by mu, like what follows
	mu     sync.Mutex
	body   bytes.Buffer
	ended  bool
	gone   chan struct{} // closed with closed

	answered bool // for on, which is called one at a time
}

func (c *call) Data(p []byte, end bool) {
	c.mu.Lock()
	c.body.Write(p)
	c.ended = c.ended || end
	c.mu.Unlock()
	c.stream.Consumed(len(p))
	c.on(c)
}

func (c *call) Trailers([]transport.Field) { c.Data(nil, true) }

func (c *call) Closed(err *transport.Error) {
	c.mu.Lock()
	c.closed = err
	c.mu.Unlock()
	close(c.gone)
	c.on(c)
}

func (c *call) state() (body string, ended bool, closed *transport.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.body.String(), c.ended, c.closed
}

// calls makes a call of each request.
type calls func(c *call)

func (on calls) Stream(s transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	h := *head
	c := &call{stream: s, head: &h, on: on, ended: end, gone: make(chan struct{})}
	on(c)
	return c
}

// fixture is a net/http server with a Server as its handler.
type fixture struct {
	server *Server
	held   atomic.Int64
	conns  chan *Conn // of capacity 16: those that were opened
	url    string
}

// start serves until the test ends, when nothing may be held any more.
func start(t testing.TB, on calls) *fixture {
	t.Helper()
	f := &fixture{conns: make(chan *Conn, 16)}
	f.server = New(f.config(on))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	hs := &http.Server{Handler: f.server, Protocols: p, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(lis) }()
	t.Cleanup(func() {
		_ = hs.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		for deadline := time.Now().Add(5 * time.Second); f.held.Load() != 0; {
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes are held when all requests are over", f.held.Load())
			}
		}
	})
	f.url = lis.Addr().String()
	return f
}

func (f *fixture) config(on calls) Config {
	return Config{
		Open: func(c *Conn) transport.ServerHandler {
			select {
			case f.conns <- c:
			default:
			}
			return on
		},
		Closed:     func(transport.ServerHandler) {},
		Refuse:     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		HeaderList: 16 << 10, HeaderFields: 128,
		ZeroWindow: 5 * time.Second,
		Backlog:    1 << 20,
		Memory:     NewMemory(64<<20, &f.held),
		Count:      func(*transport.ConnInfo, *transport.Error) {},
	}
}

func respond(t testing.TB, c *call, body string, trailers ...transport.Field) {
	b := mem.Get(len(body))
	b.B = append(b.B, body...)
	out := &transport.Out{
		Head: &transport.ResponseHead{Status: 200, Fields: []transport.Field{{Name: "x-head", Value: "h"}}},
		Body: b, End: true, Trailers: trailers,
	}
	if err := c.stream.Send(out); err != nil {
		t.Error(err)
	}
}

func client(t *testing.T, version int) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(version == 1)
	tr.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// A request and its response go through whole, on both versions, whatever their size. On HTTP/1.1
// net/http drops trailers of a response that it can give a length: the protocols that come that way
// have none.
func TestEcho(t *testing.T) {
	f := start(t, func(c *call) {
		if body, ended, _ := c.state(); ended {
			respond(t, c, body, transport.Field{Name: "x-tail", Value: "t"})
		}
	})
	for _, version := range []int{1, 2} {
		for _, n := range []int{0, 1, 5000, 3 << 20} {
			want := strings.Repeat("x", n)
			res, err := client(t, version).Post("http://"+f.url+"/a/b?c=d", "application/proto", strings.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(got) != want || res.Header.Get("X-Head") != "h" || version == 2 && res.Trailer.Get("X-Tail") != "t" || res.ProtoMajor != version {
				t.Errorf("%d bytes: %d came back over %s, %v, header %v, trailer %v", n, len(got), res.Proto, err, res.Header, res.Trailer)
			}
		}
	}
}

// A client that is still sending on HTTP/1.1 when it is answered gets to read the response, and to
// the end of the connection.
func TestAnsweredWhileSending(t *testing.T) {
	f := start(t, func(c *call) {
		if body, _, _ := c.state(); body == "one" {
			respond(t, c, "early")
		}
	})
	nc, err := net.Dial("tcp", f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	send := func(text string) {
		t.Helper()
		if _, err := io.WriteString(nc, text); err != nil {
			t.Fatalf("sending after the response: %v", err)
		}
	}
	send("POST /a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
	r := bufio.NewReader(nc)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "early" || err != nil || !res.Close {
		t.Fatalf("%q, %v, closing %v", body, err, res.Close)
	}
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 16<<10, strings.Repeat("x", 16<<10))
	for range 64 {
		send(chunk)
	}
	send("0\r\n\r\n")
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("after the response: %q, %v; want the connection's end", rest, err)
	}
}

// A client that does not stop sending is left after a second.
func TestLingersNoLonger(t *testing.T) {
	f := start(t, func(c *call) {
		if _, _, closed := c.state(); closed == nil {
			_ = c.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}, End: true})
		}
	})
	nc, err := net.Dial("tcp", f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	began := time.Now()
	_, err = io.WriteString(nc, "POST /a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	for err == nil {
		_, err = io.WriteString(nc, "1\r\nx\r\n")
	}
	if d := time.Since(began); d > 5*linger {
		t.Errorf("it could send for %v", d)
	}
}

// A response that is ready when its deadline has passed, as that of the deadline itself is, is
// written.
func TestResponseAtItsDeadline(t *testing.T) {
	f := start(t, func(c *call) {
		if c.head.Path == "/at/once" {
			_ = c.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}, End: true, Deadline: time.Now().Add(-time.Millisecond)})
			return
		}
		if err := c.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}}); err != nil {
			t.Error(err)
		}
		_ = c.stream.Send(&transport.Out{Body: mem.New(0), End: true, Deadline: time.Now().Add(-time.Millisecond)})
	})
	for _, version := range []int{1, 2} {
		hc := client(t, version)
		for i := range 20 {
			res, err := hc.Get("http://" + f.url + []string{"/at/once", "/in/steps"}[i%2])
			if err != nil {
				t.Fatalf("HTTP/%d: %v", version, err)
			}
			if _, err = io.Copy(io.Discard, res.Body); err != nil && i%2 == 0 {
				t.Errorf("HTTP/%d: %v", version, err)
			}
			res.Body.Close()
		}
	}
}

// A stream that is reset cuts its response off; the client finds out on either version.
func TestReset(t *testing.T) {
	f := start(t, func(c *call) {
		if _, _, closed := c.state(); closed == nil {
			_ = c.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}, Body: mem.New(0)})
			c.stream.Reset(2, "")
			if c.stream.Send(&transport.Out{End: true}) == nil {
				t.Error("a stream that was reset takes more")
			}
		}
	})
	for _, version := range []int{1, 2} {
		res, err := client(t, version).Get("http://" + f.url)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("HTTP/%d: the response ended well", version)
		}
	}
}

// A client that goes away is told to the call, once.
func TestClientGone(t *testing.T) {
	for _, version := range []int{1, 2} {
		begun := make(chan *call, 8)
		f := start(t, func(c *call) {
			if body, _, closed := c.state(); body == "one" && closed == nil {
				begun <- c
			}
		})
		pr, pw := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+f.url, pr)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			res, err := client(t, version).Do(req)
			if err == nil {
				res.Body.Close()
			}
			done <- err
		}()
		_, _ = io.WriteString(pw, "one")
		c := <-begun
		pw.CloseWithError(errors.New("changed my mind"))
		<-c.gone
		if _, ended, closed := c.state(); ended || closed.Token == "" || closed.Origin != transport.OriginPeer {
			t.Errorf("HTTP/%d: ended %v, closed %v", version, ended, closed)
		}
		if <-done == nil {
			t.Errorf("HTTP/%d: the request succeeded", version)
		}
	}
}

// Close ends what runs, Drain lets it end and takes nothing new.
func TestDrainAndClose(t *testing.T) {
	begun := make(chan *call, 4)
	f := start(t, func(c *call) {
		if _, _, closed := c.state(); closed == nil {
			begun <- c
		}
	})
	hc := client(t, 2)
	get := func() chan error {
		done := make(chan error, 1)
		go func() {
			res, err := hc.Get("http://" + f.url)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
				if err == nil && res.StatusCode != 200 {
					err = errors.New(res.Status)
				}
			}
			done <- err
		}()
		return done
	}
	first := get()
	c, conn := <-begun, <-f.conns
	second := get()
	c2 := <-begun
	conn.Drain("")
	<-conn.Info().Draining
	if err := <-get(); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a request while draining: %v, want it refused", err)
	}
	respond(t, c, "ok")
	if err := <-first; err != nil {
		t.Errorf("a request from before: %v", err)
	}
	conn.Close(nil)
	<-c2.gone
	if <-second == nil {
		t.Error("a request of a closed connection succeeded")
	}
	<-conn.Done()
}

// AwaitSend waits for the client, for the program, and not for what is over.
func TestAwaitSend(t *testing.T) {
	begun := make(chan *call, 1)
	f := start(t, func(c *call) {
		select {
		case begun <- c:
		default:
		}
	})
	nc, err := net.Dial("tcp", f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	c := <-begun
	if err := c.stream.AwaitSend(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}}); err != nil {
		t.Fatal(err)
	}
	b := mem.Get(16 << 20) // more than a socket takes
	b.B = b.B[:16<<20]
	if err := c.stream.Send(&transport.Out{Body: b}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	close(done)
	if err := c.stream.AwaitSend(done); err != transport.ErrAwaitDone {
		t.Fatalf("%v, want ErrAwaitDone", err)
	}
	if f.held.Load() == 0 {
		t.Error("what waits to be written is not counted")
	}
	over := make(chan error, 1)
	go func() { over <- c.stream.AwaitSend(nil) }()
	c.stream.Reset(8, "")
	if err := <-over; err == nil {
		t.Error("AwaitSend of a stream that is over returned nil")
	}
}
