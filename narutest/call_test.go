package narutest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

func TestCallContext(t *testing.T) {
	t.Parallel()
	addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4000}
	c := narutest.NewCall(t, narutest.CallConfig{
		Method:   "/shop.Orders/Get",
		Metadata: metadata.Pairs("user", "ana", "user", "bea", "key-bin", "\x00\xff"),
		Peer:     naru.Peer{Addr: addr, ConnectionID: 7},
	})
	ctx := context.WithValue(c.Context(), t, "the context of a call may be wrapped")
	if m := naru.FullMethod(ctx); m != "/shop.Orders/Get" {
		t.Errorf("method %q", m)
	}
	if p, ok := naru.PeerFromContext(ctx); !ok || p.Addr != addr || p.ConnectionID != 7 || p.LocalAddr.String() != "narutest" {
		t.Errorf("peer %v, %t", p, ok)
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("user"); len(got) != 2 || got[0] != "ana" || got[1] != "bea" || md.First("key-bin") != "\x00\xff" {
		t.Errorf("metadata %v", md)
	}
	if _, ok := ctx.Deadline(); ok {
		t.Error("a deadline nobody asked for")
	}
	for _, err := range []error{
		naru.SetHeader(ctx, metadata.Pairs("h", "1")),
		naru.SetTrailer(ctx, metadata.Pairs("t", "1")),
		naru.SetCompression(ctx, "identity"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if c.HeaderSent() {
		t.Error("the header was sent by SetHeader")
	}
	if err := naru.SendHeader(ctx, metadata.Pairs("h", "2")); err != nil || !c.HeaderSent() {
		t.Errorf("send header: %v, sent: %t", err, c.HeaderSent())
	}
	if err := naru.SetHeader(ctx, metadata.Pairs("h", "3")); err == nil {
		t.Error("the header could be set after it was sent")
	}
	if h, tr := c.Header().Get("h"), c.Trailer().First("t"); len(h) != 2 || tr != "1" {
		t.Errorf("header %q, trailer %q", h, tr)
	}
}

func TestCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := narutest.NewCall(t, narutest.CallConfig{Timeout: time.Minute})
		start := time.Now()
		<-c.Context().Done()
		if err := c.Context().Err(); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v, want the deadline after a minute", err, time.Since(start))
		}
		c = narutest.NewCall(t, narutest.CallConfig{})
		select {
		case <-naru.Draining(c.Context()):
			t.Error("draining from the start")
		default:
		}
		c.Drain()
		<-naru.Draining(c.Context())
		c.Cancel()
		<-c.Context().Done()
		if err := c.Context().Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("after Cancel: %v", err)
		}
		c.Drain()
		c.Cancel()
	})
}

// TestCallIsNotMade: what no client could send ends the test.
func TestCallIsNotMade(t *testing.T) {
	for _, md := range []metadata.MD{{"no spaces": {"x"}}, {"user": {"line\nbreak"}}} {
		r := &recorder{TB: t}
		failed := make(chan string, 1)
		go func() {
			defer close(failed)
			narutest.NewCall(fatal{r, failed}, narutest.CallConfig{Metadata: md})
		}()
		if text := <-failed; text == "" {
			t.Errorf("%v was accepted", md)
		}
	}
}

// fatal tells of Fatalf and ends the goroutine.
type fatal struct {
	testing.TB
	failed chan string
}

func (f fatal) Helper()               {}
func (f fatal) Cleanup(func())        {}
func (f fatal) Fatalf(string, ...any) { f.failed <- "failed"; runtime.Goexit() }

func chat(s naru.BidiStreamingServer[text, text]) error {
	if err := s.SetHeader(metadata.Pairs("room", "1")); err != nil {
		return err
	}
	reply := new(text)
	for m, err := range s.All() {
		if err != nil {
			return err
		}
		reply.Value = "re: " + m.Value // used again: Send has its own copy
		if err := s.Send(reply); err != nil {
			return err
		}
	}
	s.SetTrailer(metadata.Pairs("bye", "1"))
	return status.Error(codes.Aborted, "everybody left")
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := narutest.NewStream[text, text](t, narutest.CallConfig{}, wrapperspb.String("a"), wrapperspb.String("b"))
	if err := chat(s); status.Code(err) != codes.Aborted {
		t.Errorf("%v, want ABORTED", err)
	}
	sent := s.Sent()
	if len(sent) != 2 || sent[0].Value != "re: a" || sent[1].Value != "re: b" {
		t.Errorf("sent %v", sent)
	}
	if s.Header().First("room") != "1" || s.Trailer().First("bye") != "1" || !s.HeaderSent() {
		t.Errorf("header %v, sent: %t, trailer %v", s.Header(), s.HeaderSent(), s.Trailer())
	}
	if err := s.SetHeader(metadata.Pairs("late", "1")); err == nil {
		t.Error("the header could be set after a message")
	}
}

func TestStreamUntyped(t *testing.T) {
	t.Parallel()
	s := narutest.NewStream[text, text](t, narutest.CallConfig{}, wrapperspb.String("a"))
	m := new(text)
	if err := s.RecvMsg(m); err != nil || m.Value != "a" {
		t.Errorf("%v, %v", m, err)
	}
	if err := s.RecvMsg(m); err != io.EOF {
		t.Errorf("after the last request: %v, want io.EOF", err)
	}
	if err := s.SendMsg(m); err != nil || len(s.Sent()) != 1 {
		t.Errorf("%v, sent %v", err, s.Sent())
	}
	if err := s.SendMsg(new(wrapperspb.Int32Value)); err == nil {
		t.Error("a message of another type was sent")
	}
	s.Cancel()
	if err := s.SendMsg(m); status.Code(err) != codes.Canceled {
		t.Errorf("send after Cancel: %v", err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("receive after Cancel: %v", err)
	}
}
