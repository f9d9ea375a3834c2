package http2_test

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// echoHandler answers every request with its body once the body is whole.
type echoHandler struct{}

func (echoHandler) Stream(s transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	e := &echoSink{s: s}
	if end {
		e.answer()
	}
	return e
}

type echoSink struct {
	s    transport.ServerStream
	body []byte
}

func (e *echoSink) Data(p []byte, end bool) {
	e.body = append(e.body, p...)
	e.s.Consumed(len(p))
	if end {
		e.answer()
	}
}
func (e *echoSink) Trailers([]transport.Field)  { e.answer() }
func (e *echoSink) Closed(err *transport.Error) {}
func (e *echoSink) answer() {
	b := mem.Get(len(e.body))
	b.B = append(b.B, e.body...)
	e.s.Send(&transport.Out{
		Head: &transport.ResponseHead{Status: 200, Fields: []transport.Field{{Name: "content-type", Value: "application/grpc"}}},
		Body: b, End: true, Trailers: []transport.Field{{Name: "grpc-status", Value: "0"}},
	})
}

type clientSink struct {
	body     []byte
	status   int
	trailers []transport.Field
	err      *transport.Error
	done     chan struct{}
	s        chan transport.ClientStream
}

func newClientSink() *clientSink {
	return &clientSink{done: make(chan struct{}), s: make(chan transport.ClientStream, 1)}
}

func (c *clientSink) Head(h *transport.ResponseHead, end bool) {
	c.status = h.Status
	if end {
		close(c.done)
	}
}
func (c *clientSink) Data(p []byte, end bool) {
	c.body = append(c.body, p...)
	s := <-c.s
	s.Consumed(len(p))
	c.s <- s
	if end {
		close(c.done)
	}
}
func (c *clientSink) Trailers(f []transport.Field) {
	c.trailers = append([]transport.Field(nil), f...)
	close(c.done)
}
func (c *clientSink) Closed(err *transport.Error) {
	c.err = err
	close(c.done)
}

// overTCP returns both ends of a connection over a real socket. Limits are of both; cert, if not
// nil, makes it TLS.
func overTCP(t *testing.T, limits http2.Limits, cert *tls.Certificate) (*http2.ClientConn, *http2.ServerConn) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	accepted := make(chan *http2.ServerConn, 1)
	go func() {
		nc, err := lis.Accept()
		if err != nil {
			close(accepted)
			return
		}
		cfg := &http2.ServerConfig{Limits: limits}
		if cert != nil {
			cfg.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"h2"}}
		}
		accepted <- http2.ServeConn(nc, cfg, echoHandler{})
	}()
	nc, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if cert != nil {
		// What is tested lies above TLS: whose certificate it is does not matter.
		nc = tls.Client(http2.SpillTLS(nc), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	c, err := http2.NewClientConn(t.Context(), nc, &http2.ClientConfig{Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return c, <-accepted
}

func TestEcho(t *testing.T) {
	c, srv := overTCP(t, http2.Limits{}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			for range 20 {
				n := []int{0, 10, 1000, 100_000, 1_000_000}[i%5]
				if n >= 100_000 && i > 10 { // a few are enough
					n = 20
				}
				b := mem.Get(n)
				b.B = b.B[:n]
				sink := newClientSink()
				s, err := c.Open(&transport.RequestHead{Method: "POST", Scheme: "http", Authority: "x", Path: "/a/b"}, b, true, sink)
				if err == transport.ErrStreamLimit {
					if err := c.AwaitSlot(ctx.Done()); err != nil {
						t.Error(err)
					}
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				sink.s <- s
				select {
				case <-sink.done:
				case <-ctx.Done():
					t.Errorf("call of %d bytes never ended\nclient %s\nserver %s", n, c.DumpForTesting(), srv.DumpForTesting())
					return
				}
				if sink.err != nil || sink.status != 200 || len(sink.body) != n {
					t.Errorf("err %v status %d body %d of %d", sink.err, sink.status, len(sink.body), n)
				}
			}
		})
	}
	wg.Wait()
	c.Drain("test over")
	<-c.Done()
	<-srv.Done()
	t.Log(c.Err(), srv.Err())
}
