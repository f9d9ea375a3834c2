package client

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/status"
)

func hedging(n int, delay time.Duration) *HedgingPolicy {
	return &HedgingPolicy{MaxAttempts: n, Delay: delay, NonFatal: Codes(codes.Unavailable)}
}

// delayed answers attempts after the time given for each.
func delayed(s *scripted, delays ...time.Duration) *scripted {
	serve := s.serve
	s.serve = func(st *rawStream) {
		d := delays[min(st.n, len(delays)-1)]
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			serve(st)
		case <-st.closed:
			s.mu.Lock()
			s.attempts = append(s.attempts, "cancelled")
			s.mu.Unlock()
		}
	}
	return s
}

func TestHedging(t *testing.T) {
	for _, tt := range []struct {
		name    string
		policy  *HedgingPolicy
		answers []answer
		delays  []time.Duration
		tokens  float64
		want    codes.Code
		took    time.Duration
		sent    int // attempts that reached the server
	}{
		{"first is fast", hedging(3, time.Second), []answer{success()}, []time.Duration{500 * time.Millisecond}, 0, codes.OK, 500 * time.Millisecond, 1},
		{"second is faster", hedging(3, time.Second), []answer{success()}, []time.Duration{time.Hour, 500 * time.Millisecond}, 0, codes.OK, 1500 * time.Millisecond, 2},
		{"first wins late", hedging(3, time.Second), []answer{success()}, []time.Duration{2500 * time.Millisecond, time.Hour}, 0, codes.OK, 2500 * time.Millisecond, 3},
		{"all at once", hedging(3, 0), []answer{success()}, []time.Duration{3 * time.Second, 2 * time.Second, time.Second}, 0, codes.OK, time.Second, 3},
		{"non-fatal starts the next at once", hedging(3, time.Hour), []answer{failure(codes.Unavailable), success()}, []time.Duration{time.Second}, 0, codes.OK, 2 * time.Second, 2},
		{"fatal ends the call", hedging(3, time.Second), []answer{failure(codes.NotFound)}, []time.Duration{time.Hour, 900 * time.Millisecond}, 0, codes.NotFound, 1900 * time.Millisecond, 2},
		{"all fail", hedging(3, time.Second), []answer{failure(codes.Unavailable)}, []time.Duration{100 * time.Millisecond}, 0, codes.Unavailable, 300 * time.Millisecond, 3},
		{"pushback delays", hedging(2, time.Hour), []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "5000"), success()}, []time.Duration{0}, 0, codes.OK, 5 * time.Second, 2},
		{"pushback stops", hedging(3, time.Hour), []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "-1"), success()}, []time.Duration{0}, 0, codes.Unavailable, 0, 1},
		// As retries do: to come back earlier than asked would add to the load, and later than
		// anyone waits is of no use.
		{"pushback of a day", hedging(3, time.Hour), []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "86400000"), success()}, []time.Duration{0}, 0, codes.Unavailable, 0, 1},
		{"pushbacks add up", hedging(5, time.Hour), []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "4000")}, []time.Duration{0}, 0, codes.Unavailable, 8 * time.Second, 3},
		{"budget", hedging(5, time.Hour), []answer{failure(codes.Unavailable)}, []time.Duration{0}, 4, codes.Unavailable, 0, 2},
	} {
		for _, kind := range []string{"unary", "server stream", "client stream"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := delayed(script(tt.answers...), tt.delays...)
					conn := inproc.New(server, 0, nil)
					defer conn.Close(nil)
					env := testEnv(t, conn)
					if tt.tokens > 0 {
						env.Channel = throttled{SingleConn{conn}, NewThrottle(tt.tokens, 0.1)}
					}
					set := testSettings()
					set.Retry.Hedging = tt.policy
					attempts := 0
					set.OnPeer = func(_ *transport.ConnInfo, n int) { attempts = n }
					start := time.Now()
					err := callKind(t, env, set, kind)
					took := time.Since(start)
					if status.Code(err) != tt.want || took != tt.took {
						t.Errorf("got %v after %v, want %v after %v", err, took, tt.want, tt.took)
					}
					synctest.Wait()
					server.rawServer.mu.Lock()
					sent := len(server.heads)
					server.rawServer.mu.Unlock()
					if sent != tt.sent {
						t.Errorf("%d attempts were sent, want %d", sent, tt.sent)
					}
					if tt.want == codes.OK && attempts != sent {
						t.Errorf("%d attempts were told, want %d", attempts, sent)
					}
					k := &env.Counters
					if h, th := k.Hedges.Load(), k.Throttled.Load(); h != uint64(tt.sent-1) || (th == 1) != (tt.tokens > 0) {
						t.Errorf("%d hedges and %d throttled calls are counted for %d attempts", h, th, tt.sent)
					}
					if open, _ := conn.Load(); open != 0 {
						t.Errorf("%d attempts are still open", open)
					}
				})
			})
		}
	}
}

// late picks a connection for the second attempt only after the call has its answer.
type late struct {
	SingleConn
	picks *atomic.Int32
}

func (l late) Pick(ctx context.Context, info *PickInfo) (transport.ClientConn, func(DoneInfo), error) {
	if l.picks.Add(1) == 2 {
		<-time.After(time.Hour)
	}
	return l.SingleConn.Pick(context.WithoutCancel(ctx), info)
}

// TestNothingIsSentAfterTheAnswer: an attempt that was about to be sent when another got the answer
// is not.
func TestNothingIsSentAfterTheAnswer(t *testing.T) {
	for _, kind := range []string{"unary", "server stream", "client stream"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := delayed(script(success()), 1500*time.Millisecond)
				conn := inproc.New(server, 0, nil)
				defer conn.Close(nil)
				env := testEnv(t, conn)
				env.Channel = late{SingleConn{conn}, new(atomic.Int32)}
				set := testSettings()
				set.Retry.Hedging = hedging(2, time.Second)
				if err := callKind(t, env, set, kind); err != nil {
					t.Fatal(err)
				}
				<-time.After(2 * time.Hour)
				server.rawServer.mu.Lock()
				defer server.rawServer.mu.Unlock()
				if n := len(server.heads); n != 1 {
					t.Errorf("%d attempts were sent, want 1: the second was not needed any more", n)
				}
			})
		})
	}
}

func TestHedgingEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(delayed(script(success()), time.Hour), 0, nil)
		defer conn.Close(nil)
		set := testSettings()
		set.Retry.Hedging = hedging(3, time.Second)
		set.Timeout = 5 * time.Second
		_, err := invoke(t.Context(), testEnv(t, conn), set, "q")
		if s := status.Convert(err); s.Code() != codes.DeadlineExceeded || !strings.Contains(s.Message(), "hedged over 3 attempts") {
			t.Errorf("got %v", s)
		}
		synctest.Wait()
		if open, _ := conn.Load(); open != 0 {
			t.Errorf("%d attempts are still open", open)
		}
	})
}

// What was sent before an attempt began reaches it, too.
func TestHedgedStreamGivesEachAttemptEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		bodies := make(map[int]string)
		server := delayed(script(success()), 10*time.Second, 4*time.Second)
		serve := server.serve
		server.serve = func(st *rawStream) {
			serve(st)
			st.mu.Lock()
			mu.Lock()
			bodies[st.n] = st.body.String()
			mu.Unlock()
			st.mu.Unlock()
		}
		conn := inproc.New(server, 0, nil)
		defer conn.Close(nil)
		set := testSettings()
		set.Retry.Hedging = hedging(2, time.Second)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, set)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{"a", "b", "c"} {
			if err := s.SendMsg(encoding.RawMessage(m)); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		_ = s.CloseSend()
		start := time.Now()
		if err := s.RecvMsg(new(encoding.RawMessage)); err != nil {
			t.Fatal(err)
		}
		// The second attempt began after 1 s and answers after 4 s, 3 s of which are over.
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("the answer took %v, want 2s", d)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		want := str("a") + str("b") + str("c")
		if bodies[0] != want || bodies[1] != want {
			t.Errorf("the attempts were sent %q and %q, want %q each", bodies[0], bodies[1], want)
		}
		if open, _ := conn.Load(); open != 0 {
			t.Errorf("%d attempts are still open", open)
		}
	})
}

// More than is kept goes to one attempt, chosen for that.
func TestHedgedStreamCommitsWhenTooMuchIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := delayed(script(success()), 5*time.Second, 3*time.Second)
		conn := inproc.New(server, 0, nil)
		defer conn.Close(nil)
		set := testSettings()
		set.Retry.Hedging = hedging(3, time.Second)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, set)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			if err := s.SendMsg(encoding.RawMessage(strings.Repeat("x", maxReplay/4))); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); err != nil {
			t.Fatal(err)
		}
		if n := len(server.heads); n != 1 {
			t.Errorf("%d attempts, want the one that was chosen when the buffer was full", n)
		}
	})
}

func TestHedgedStreamEnds(t *testing.T) {
	for name, end := range map[string]func(s *Stream, cancel func()){
		"close":  func(s *Stream, _ func()) { _ = s.Close() },
		"cancel": func(_ *Stream, cancel func()) { cancel() },
	} {
		synctest.Test(t, func(t *testing.T) {
			conn := inproc.New(delayed(script(success()), time.Hour), 0, nil)
			defer conn.Close(nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			set := testSettings()
			set.Retry.Hedging = hedging(3, time.Second)
			s, err := NewStream(ctx, testEnv(t, conn), rawBidi, set)
			if err != nil {
				t.Fatal(err)
			}
			received, header := make(chan error, 1), make(chan error, 1)
			go func() { received <- s.RecvMsg(new(encoding.RawMessage)) }()
			go func() { _, err := s.Header(); header <- err }()
			<-time.After(5 * time.Second)
			if open, _ := conn.Load(); open != 3 {
				t.Errorf("%s: %d attempts are open, want 3", name, open)
			}
			end(s, cancel)
			if err := <-received; status.Code(err) != codes.Canceled {
				t.Errorf("%s: RecvMsg %v", name, err)
			}
			if err := <-header; status.Code(err) != codes.Canceled {
				t.Errorf("%s: Header %v", name, err)
			}
			if err := s.SendMsg(encoding.RawMessage("x")); err != io.EOF {
				t.Errorf("%s: SendMsg %v", name, err)
			}
			synctest.Wait()
			if open, _ := conn.Load(); open != 0 {
				t.Errorf("%s: %d attempts are still open", name, open)
			}
		})
	}
}
