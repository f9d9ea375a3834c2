package http2_test

import (
	"context"
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

func TestEcho(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	var srv *http2.ServerConn
	accepted := make(chan struct{})
	go func() {
		nc, _ := lis.Accept()
		srv = http2.ServeConn(nc, &http2.ServerConfig{}, echoHandler{})
		close(accepted)
	}()
	nc, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c, err := http2.NewClientConn(ctx, nc, &http2.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	<-accepted
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
