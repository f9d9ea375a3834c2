package client

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// lateConn is a connection whose Open returns when as much of the response has come as comes by
// itself: the goroutine that makes a call may be overtaken by its response at any place.
type lateConn struct{ transport.ClientConn }

func (c lateConn) Open(head *transport.RequestHead, body *mem.Buf, end bool, sink transport.ClientSink) (transport.ClientStream, error) {
	s, err := c.ClientConn.Open(head, body, end, sink)
	<-time.After(time.Second)
	return s, err
}

// TestResponsesOvertakeOpen: a message larger than the window is received whole, however much of
// it, and of those before it, has come when the program learns which stream it is on.
func TestResponsesOvertakeOpen(t *testing.T) {
	for _, sizes := range [][]int{
		{1}, {64 << 10}, {71 << 10}, {80 << 10}, {100_000}, {1 << 20}, {5 << 20},
		{77, 92_653}, {31_415, 92_653}, {40_000, 66_000}, {1, 1, 70_000, 90_000}, {20_000, 20_000, 20_000, 80_000}, {79_000, 81_000}, {100_000, 100_000},
	} {
		for _, m := range []Method{rawUnary, rawServer1} {
			if m == rawUnary && len(sizes) > 1 {
				continue
			}
			t.Run(fmt.Sprint(m.FullMethod, sizes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { overtake(t, m, sizes) })
			})
		}
	}
}

func overtake(t *testing.T, m Method, sizes []int) {
	var wire []byte
	for i, n := range sizes {
		wire = append(wire, str(strings.Repeat(string(rune('a'+i)), n))...)
	}
	a, b := memnet.Pipe(0)
	srv := http2.ServeConn(b, &http2.ServerConfig{}, &rawServer{serve: func(s *rawStream) { // without waiting for the request
		s.send(&transport.Out{
			Head: &transport.ResponseHead{Status: 200, Fields: rawFields(grpcHead...)},
			Body: &mem.Buf{B: wire}, End: true, Trailers: rawFields("grpc-status", "0"),
		})
	}})
	conn, err := http2.NewClientConn(t.Context(), a, &http2.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		conn.Close(nil)
		<-conn.Done()
		<-srv.Done()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	set := testSettings()
	set.MaxReceiveBytes = -1
	env := testEnv(t, lateConn{conn})
	if m == rawUnary {
		if got, err := invoke(ctx, env, set, "q"); err != nil || len(got) != sizes[0] {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, sizes[0])
		}
		return
	}
	s, err := NewStream(ctx, env, m, set)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(encoding.RawMessage("q")); err != nil && err != io.EOF { // the call may be over
		t.Fatal(err)
	}
	_ = s.CloseSend()
	for i, n := range sizes {
		var got encoding.RawMessage
		if err := s.RecvMsg(&got); err != nil || len(got) != n {
			t.Fatalf("message %d: %d bytes, %v, want %d", i, len(got), err, n)
		}
	}
	if err := s.RecvMsg(new(encoding.RawMessage)); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}
