package client

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/status"
)

func TestStreamLimitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			<-time.After(time.Second)
			answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}.to(s)
		}}, 2, nil)
		defer conn.Close(nil)
		env := testEnv(t, conn)
		start := time.Now()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if _, err := invoke(t.Context(), env, testSettings(), "q"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("6 calls of 1 s, 2 at a time, took %v", d)
		}
	})
}

func TestCloseEndsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var token string
		conn := inproc.New(&rawServer{serve: func(s *rawStream) { token = string((<-s.closed).Token) }}, 0, nil)
		defer conn.Close(nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		received := make(chan error, 1)
		go func() { received <- s.RecvMsg(new(encoding.RawMessage)) }()
		header := make(chan error, 1)
		go func() { _, err := s.Header(); header <- err }()
		synctest.Wait()
		_ = s.Close()
		_ = s.Close()
		if err := <-received; status.Code(err) != codes.Canceled {
			t.Errorf("RecvMsg: %v, want CANCELED", err)
		}
		if err := <-header; status.Code(err) != codes.Canceled {
			t.Errorf("Header: %v, want CANCELED", err)
		}
		if err := s.SendMsg(encoding.RawMessage("x")); err != io.EOF {
			t.Errorf("SendMsg: %v, want io.EOF", err)
		}
		synctest.Wait()
		if token != "canceled" {
			t.Errorf("the server saw %q", token)
		}
	})
}

func TestTwoReceiversAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) { <-s.closed }}, 0, nil)
		defer conn.Close(nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		first := make(chan error, 1)
		go func() { first <- s.RecvMsg(new(encoding.RawMessage)) }()
		synctest.Wait()
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Internal {
			t.Errorf("a second receiver: %v, want INTERNAL", err)
		}
		_ = s.Close()
		<-first
	})
}

// What follows a cancellation must not succeed, even if nobody has told the stream yet.
func TestNothingSucceedsAfterCancel(t *testing.T) {
	for range 100 {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			answer{200, grpcHead, "", []string{"grpc-status", "0"}, false}.to(s)
		}}, 0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s, err := NewStream(ctx, testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Canceled {
			t.Fatalf("RecvMsg after cancel and CloseSend: %v, want CANCELED", err)
		}
		conn.Close(nil)
	}
}

// Messages that came before the cancellation and were not received before it are not received after
// it.
func TestCancelComesBeforeWaitingMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			answer{200, grpcHead, str("one") + str("two"), nil, false}.to(s)
		}}, 0, nil)
		defer conn.Close(nil)
		ctx, cancel := context.WithCancel(t.Context())
		s, err := NewStream(ctx, testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.CloseSend()
		synctest.Wait() // both are here
		if err := s.RecvMsg(new(encoding.RawMessage)); err != nil {
			t.Fatalf("the first message: %v", err)
		}
		cancel()
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Canceled {
			t.Errorf("RecvMsg after cancel: %v, want CANCELED", err)
		}
	})
}
