package client

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/status"
)

// unprocessed ends streams as a peer that has not looked at them.
func unprocessed(s *rawStream) { s.Reset(7, "refused") }

func TestTransparentRetry(t *testing.T) {
	ok := answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}
	for _, refuse := range []int{1, 2} {
		serve := func(s *rawStream) {
			if s.n < refuse {
				unprocessed(s)
				return
			}
			ok.to(s)
		}
		// gRFC A6: once, if the server's library has seen the call.
		want := codes.OK
		if refuse > 1 {
			want = codes.Unavailable
		}
		server := &rawServer{serve: serve}
		conn := inproc.New(server, 0, nil)
		env := testEnv(t, conn)
		if _, err := invoke(t.Context(), env, testSettings(), "q"); status.Code(err) != want {
			t.Errorf("refused %d times: unary: %v, want %v", refuse, err, want)
		}
		if n := env.Counters.TransparentRetries.Load(); n != 1 {
			t.Errorf("refused %d times: %d transparent retries are counted, want 1", refuse, n)
		}
		conn.Close(nil)

		server = &rawServer{serve: func(s *rawStream) {
			if s.n < refuse {
				<-s.ended
			}
			serve(s)
		}}
		conn = inproc.New(server, 0, nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SendMsg(encoding.RawMessage("a"))
		_ = s.SendMsg(encoding.RawMessage("b"))
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != want {
			t.Errorf("refused %d times: client stream: %v, want %v", refuse, err, want)
		}
		conn.Close(nil)
	}
}

// The attempt that succeeds is given every message of the ones before.
func TestTransparentRetryReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got string
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			if s.n == 0 {
				<-time.After(time.Second)
				unprocessed(s)
				return
			}
			<-s.ended
			s.mu.Lock()
			got = s.body.String()
			s.mu.Unlock()
			answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}.to(s)
		}}, 0, nil)
		defer conn.Close(nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if i == 2 {
				<-time.After(2 * time.Second) // the first attempt is refused now
			}
			if err := s.SendMsg(encoding.RawMessage(fmt.Sprint(i))); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); err != nil {
			t.Fatal(err)
		}
		if want := str("0") + str("1") + str("2") + str("3"); got != want {
			t.Errorf("the second attempt was sent %q, want %q", got, want)
		}
	})
}

// What is more than the replay buffer holds is sent without a second attempt.
func TestNoRetryBeyondTheReplayBuffer(t *testing.T) {
	conn := inproc.New(&rawServer{serve: func(s *rawStream) {
		if s.n > 0 {
			t.Error("a second attempt was made")
		}
		<-s.ended
		unprocessed(s)
	}}, 0, nil)
	defer conn.Close(nil)
	s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, testSettings())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = s.SendMsg(encoding.RawMessage(strings.Repeat("x", maxReplay/2)))
	}
	_ = s.CloseSend()
	if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
}

// While an attempt waits to be replaced, sending waits for it in the bubble's time, and CloseSend
// does not wait.
func TestSendWhileReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got string
		sent := make(chan struct{}) // closed when the first message is: sending it is not what meets the failure
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			if s.n == 0 {
				<-sent
				s.send(&transport.Out{Head: &transport.ResponseHead{Status: 200, Fields: rawFields("content-type", "application/grpc", "grpc-status", "14")}, End: true})
				return
			}
			<-s.ended
			s.mu.Lock()
			got = s.body.String()
			s.mu.Unlock()
			answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}.to(s)
		}}, 0, nil)
		defer conn.Close(nil)
		set := testSettings()
		set.Retry.Policy = testPolicy()
		set.Retry.Policy.InitialBackoff, set.Retry.Policy.MaxBackoff = time.Minute, time.Minute
		s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, set)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SendMsg(encoding.RawMessage("a")); err != nil {
			t.Fatal(err)
		}
		close(sent)
		received := make(chan error, 1) // capacity 1: one result
		go func() { received <- s.RecvMsg(new(encoding.RawMessage)) }()
		synctest.Wait() // RecvMsg has heard of the failure and pauses
		begun := time.Now()
		if err := s.SendMsg(encoding.RawMessage("b")); err != nil || time.Since(begun) < 40*time.Second {
			t.Errorf("SendMsg: %v after %v, want it to wait for the next attempt", err, time.Since(begun))
		}
		if err := s.CloseSend(); err != nil {
			t.Error(err)
		}
		if err := <-received; err != nil || got != str("a")+str("b") {
			t.Errorf("RecvMsg: %v, the server got %q", err, got)
		}
	})
}
