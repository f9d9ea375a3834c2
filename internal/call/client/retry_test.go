package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// throttled is a channel with a retry budget.
type throttled struct {
	SingleConn
	throttle *Throttle
}

func (c throttled) Throttle() *Throttle { return c.throttle }

func failure(code codes.Code, trailers ...string) answer {
	return answer{200, append(append(grpcHead[:2:2], "grpc-status", fmt.Sprint(uint32(code)), "grpc-message", "m"), trailers...), "", nil, false}
}

func success() answer { return answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false} }

// scripted answers the nth attempt with the nth answer, the last one for ever. It notes when
// attempts came, and what they said of the ones before.
type scripted struct {
	rawServer
	mu       sync.Mutex
	start    time.Time
	attempts []string
}

func script(answers ...answer) *scripted {
	s := &scripted{start: time.Now()}
	s.serve = func(st *rawStream) {
		s.mu.Lock()
		line := fmt.Sprint(time.Since(s.start))
		if v := st.field(wire.FieldAttempts); v != "" {
			line += " previous " + v
		}
		s.attempts = append(s.attempts, line)
		s.mu.Unlock()
		answers[min(st.n, len(answers)-1)].to(st)
	}
	return s
}

// exact is a policy whose pauses have no jitter to speak of: it is rounded away.
func testPolicy() *RetryPolicy {
	return &RetryPolicy{
		MaxAttempts: 4, InitialBackoff: time.Second, MaxBackoff: 3 * time.Second, BackoffMultiplier: 2,
		Retryable: Codes(codes.Unavailable, codes.Aborted),
	}
}

// retryInfo is a google.rpc.Status with a RetryInfo of this many seconds.
func retryInfo(code codes.Code, seconds uint64) string {
	d := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), seconds)
	info := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), d)
	packed := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "type.googleapis.com/google.rpc.RetryInfo")
	packed = protowire.AppendBytes(protowire.AppendTag(packed, 2, protowire.BytesType), info)
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), packed)
	return base64.RawStdEncoding.EncodeToString(b)
}

func TestRetryPolicy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []answer
		timeout time.Duration
		tokens  float64
		change  func(*Settings)
		want    codes.Code
		text    string
		n       int             // attempts
		pauses  []time.Duration // between them, give or take a fifth
	}{
		{name: "first succeeds", answers: []answer{success()}, n: 1},
		{name: "third succeeds", answers: []answer{failure(codes.Unavailable), failure(codes.Aborted), success()}, n: 3, pauses: []time.Duration{time.Second, 2 * time.Second}},
		{name: "attempts run out", answers: []answer{failure(codes.Unavailable)}, want: codes.Unavailable, text: "m (after 4 attempts)", n: 4,
			pauses: []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}},
		{name: "not retryable", answers: []answer{failure(codes.NotFound)}, want: codes.NotFound, text: "m", n: 1},
		{name: "not retryable later", answers: []answer{failure(codes.Unavailable), failure(codes.NotFound)}, want: codes.NotFound, text: "m (after 2 attempts; the attempt before: UNAVAILABLE: m)", n: 2},
		{name: "committed by a header", answers: []answer{{200, grpcHead, "", []string{"grpc-status", "14"}, false}}, want: codes.Unavailable, n: 1},
		{name: "reset", answers: []answer{{reset: true}, success()}, want: codes.Internal, text: "inproc: stream reset by the other side: broken", n: 1},
		{name: "HTTP status", answers: []answer{{503, nil, "", nil, false}, success()}, n: 2},
		{name: "pushback", answers: []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "10000"), failure(codes.Unavailable), success()}, n: 3,
			pauses: []time.Duration{10 * time.Second, time.Second}},
		{name: "pushback 0", answers: []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "0"), success()}, n: 2, pauses: []time.Duration{0}},
		{name: "pushback no more", answers: []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "-1"), success()}, want: codes.Unavailable, text: "m", n: 1},
		{name: "pushback nonsense", answers: []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "soon"), success()}, want: codes.Unavailable, text: "m", n: 1},
		{name: "RetryInfo", answers: []answer{failure(codes.Unavailable, "grpc-status-details-bin", retryInfo(codes.Unavailable, 7)), success()}, n: 2, pauses: []time.Duration{7 * time.Second}},
		{name: "all that may be asked", answers: []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "10000"), success()}, n: 2, pauses: []time.Duration{10 * time.Second}},
		{name: "pushback of more", answers: []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "10001"), success()}, want: codes.Unavailable, text: "m", n: 1},
		{name: "RetryInfo of more", answers: []answer{failure(codes.Unavailable, "grpc-status-details-bin", retryInfo(codes.Unavailable, 11)), success()}, want: codes.Unavailable, text: "m", n: 1},
		{name: "RetryInfo that overflows", answers: []answer{failure(codes.Unavailable, "grpc-status-details-bin", retryInfo(codes.Unavailable, 1<<62)), success()}, want: codes.Unavailable, text: "m", n: 1},
		{name: "RetryInfo of more in all", answers: []answer{failure(codes.Unavailable, "grpc-status-details-bin", retryInfo(codes.Unavailable, 4))}, want: codes.Unavailable, text: "m (after 3 attempts)", n: 3,
			pauses: []time.Duration{4 * time.Second, 4 * time.Second}},
		{name: "longer pauses are allowed", answers: []answer{failure(codes.Unavailable, "grpc-retry-pushback-ms", "61000"), failure(codes.Unavailable, "grpc-retry-pushback-ms", "59000"), failure(codes.Unavailable, "grpc-retry-pushback-ms", "1")},
			change: func(s *Settings) { s.MaxRetryDelay = 2 * time.Minute }, want: codes.Unavailable, text: "m (after 3 attempts)", n: 3, pauses: []time.Duration{61 * time.Second, 59 * time.Second}},
		{name: "no time left", answers: []answer{failure(codes.Unavailable), success()}, timeout: 500 * time.Millisecond, want: codes.Unavailable, text: "m", n: 1},
		{name: "budget", answers: []answer{failure(codes.Unavailable)}, tokens: 5, want: codes.Unavailable, text: "m (after 3 attempts)", n: 3},
		{name: "switched off", answers: []answer{failure(codes.Unavailable)}, change: func(s *Settings) { s.Retry = RetryChoice{Never: true} }, want: codes.Unavailable, text: "m", n: 1},
		{name: "attempt's time", answers: []answer{{}, success()}, change: func(s *Settings) { s.Retry.Policy.PerAttemptRecvTimeout = time.Second }, n: 2, pauses: []time.Duration{2 * time.Second}},
	} {
		for _, kind := range []string{"unary", "client stream", "server stream"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := script(tt.answers...)
					if tt.answers[0].status == 0 && !tt.answers[0].reset {
						serve := server.serve
						server.serve = func(st *rawStream) {
							if st.n > 0 {
								serve(st)
								return
							}
							server.mu.Lock()
							server.attempts = append(server.attempts, "0s")
							server.mu.Unlock()
							<-st.closed // no answer
						}
					}
					conn := inproc.New(server, 0, nil)
					defer conn.Close(nil)
					env := testEnv(t, conn)
					if tt.tokens > 0 {
						env.Channel = throttled{SingleConn{conn}, NewThrottle(tt.tokens, 0.1)}
					}
					set := testSettings()
					set.Retry.Policy = testPolicy()
					set.Timeout = tt.timeout
					if tt.change != nil {
						tt.change(set)
					}
					err := callKind(t, env, set, kind)
					if s := status.Convert(err); s.Code() != tt.want || s.Message() != tt.text {
						t.Errorf("got %v, want %v: %s", s, tt.want, tt.text)
					}
					checkAttempts(t, server, tt.n, tt.pauses)
				})
			})
		}
	}
}

// lossy is a channel whose first connection is lost in the middle of a response.
type lossy struct {
	Channel
	conns []transport.ClientConn
}

func (c *lossy) Pick(_ context.Context, info *PickInfo) (transport.ClientConn, func(DoneInfo), error) {
	return c.conns[min(info.Attempt, len(c.conns))-1], nil, nil
}

// A connection that is lost after the header ends a call, but for unary calls of idempotent
// methods: nobody has seen the header.
func TestLostInTheMiddleOfTheResponse(t *testing.T) {
	for _, tt := range []struct {
		name       string
		method     Method
		idempotent bool
		change     func(*Settings)
		want       codes.Code
	}{
		{name: "idempotent", method: rawUnary, idempotent: true},
		{name: "not idempotent", method: rawUnary, want: codes.Unavailable},
		{name: "a policy of the call", method: rawUnary, idempotent: true, change: func(s *Settings) { s.Retry.Policy = testPolicy() }, want: codes.Unavailable},
		{name: "stream", method: rawServer1, idempotent: true, want: codes.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var first *inproc.Conn
			partly := &rawServer{serve: func(s *rawStream) {
				s.send(&transport.Out{Head: &transport.ResponseHead{Status: 200, Fields: rawFields(grpcHead...)}, Body: &mem.Buf{B: []byte(str("half"))}})
				first.Close(&transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Token: "eof", Reason: "lost"})
			}}
			first = inproc.New(partly, 0, nil)
			second := inproc.New(script(success()), 0, nil)
			defer second.Close(nil)
			env := testEnv(t, first)
			env.Channel = &lossy{env.Channel, []transport.ClientConn{first, second}}
			set := testSettings()
			if tt.change != nil {
				tt.change(set)
			}
			tt.method.Idempotent = tt.idempotent
			var err error
			got := new(encoding.RawMessage)
			if !tt.method.ServerStreams {
				err = Invoke(t.Context(), env, tt.method, set, encoding.RawMessage("q"), got)
			} else {
				var s *Stream
				if s, err = NewStreamWith(t.Context(), env, tt.method, set, encoding.RawMessage("q")); err != nil {
					t.Fatal(err)
				}
				for err == nil {
					err = s.RecvMsg(got)
				}
			}
			if status.Code(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil && string(*got) != "yes" {
				t.Errorf("received %q", *got)
			}
		})
	}
}

// callKind makes a call and returns how it ended.
func callKind(t *testing.T, env *Env, set *Settings, kind string) error {
	t.Helper()
	var s *Stream
	var err error
	switch kind {
	case "unary":
		_, err := invoke(t.Context(), env, set, "q")
		return err
	case "client stream":
		if s, err = NewStream(t.Context(), env, rawClient, set); err != nil {
			return err
		}
		_ = s.SendMsg(encoding.RawMessage("q"))
		_ = s.CloseSend()
		return s.RecvMsg(new(encoding.RawMessage))
	}
	if s, err = NewStreamWith(t.Context(), env, rawServer1, set, encoding.RawMessage("q")); err != nil {
		return err
	}
	for err == nil {
		err = s.RecvMsg(new(encoding.RawMessage))
	}
	if status.Code(err) == codes.Unknown { // io.EOF
		return nil
	}
	return err
}

// checkAttempts compares the attempts with how many there should be, and their pauses with a jitter
// of 20 %.
func checkAttempts(t *testing.T, s *scripted, n int, pauses []time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.attempts) != n {
		t.Fatalf("%d attempts, want %d: %v", len(s.attempts), n, s.attempts)
	}
	var last time.Duration
	for i, a := range s.attempts {
		when, previous, _ := strings.Cut(a, " previous ")
		if want := fmt.Sprint(i); i > 0 && previous != want {
			t.Errorf("attempt %d says %q attempts went before it, want %s", i+1, previous, want)
		}
		at, err := time.ParseDuration(when)
		if err != nil {
			t.Fatal(err)
		}
		if pause := at - last; i > 0 && len(pauses) >= i {
			want := pauses[i-1]
			if pause < want*8/10 || pause > want*12/10 {
				t.Errorf("pause %d was %v, want %v give or take a fifth", i, pause, want)
			}
		}
		last = at
	}
}

func TestThrottleRefills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(4, 0.5)
		var answers []answer
		for range 4 {
			answers = append(answers, failure(codes.Unavailable))
		}
		server := script(append(answers, success())...)
		conn := inproc.New(server, 0, nil)
		defer conn.Close(nil)
		env := testEnv(t, conn)
		env.Channel = throttled{SingleConn{conn}, th}
		set := testSettings()
		set.Retry.Policy = testPolicy()
		_, _ = invoke(t.Context(), env, set, "q") // two failures: 2 tokens are left, half
		if th.Allow() {
			t.Error("retries are allowed with half of the tokens")
		}
		_, _ = invoke(t.Context(), env, set, "q") // one
		_, _ = invoke(t.Context(), env, set, "q") // none
		if r, th := env.Counters.Retries.Load(), env.Counters.Throttled.Load(); r != 1 || th != 3 {
			t.Errorf("%d retries and %d throttled ones are counted, want 1 and 3", r, th)
		}
		for i := range 5 {
			if th.Allow() {
				t.Errorf("retries are allowed after %d successes", i)
			}
			if _, err := invoke(t.Context(), env, set, "q"); err != nil {
				t.Fatal(err)
			}
		}
		if !th.Allow() {
			t.Error("retries are not allowed after five successes at half a token each")
		}
	})
}

func TestIdempotentMethodsAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, idempotent := range []bool{false, true} {
			server := script(failure(codes.Unavailable), success())
			conn := inproc.New(server, 0, nil)
			m := rawUnary
			m.Idempotent = idempotent
			err := Invoke(t.Context(), testEnv(t, conn), m, testSettings(), encoding.RawMessage("q"), new(encoding.RawMessage))
			if (err == nil) != idempotent {
				t.Errorf("idempotent %v: %v", idempotent, err)
			}
			conn.Close(nil)
		}
	})
}

func TestPauseEndsWithTheCall(t *testing.T) {
	for _, kind := range []string{"unary", "client stream", "server stream"} {
		synctest.Test(t, func(t *testing.T) {
			conn := inproc.New(script(failure(codes.Unavailable, "grpc-retry-pushback-ms", "3600000")), 0, nil)
			defer conn.Close(nil)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			set := testSettings()
			set.Retry.Policy, set.MaxRetryDelay = testPolicy(), 2*time.Hour
			start := time.Now()
			var err error
			switch kind {
			case "unary":
				_, err = invoke(ctx, testEnv(t, conn), set, "q")
			default:
				m := rawClient
				if kind == "server stream" {
					m = rawServer1
				}
				s, serr := NewStream(ctx, testEnv(t, conn), m, set)
				if serr != nil {
					t.Fatal(serr)
				}
				_ = s.CloseSend()
				err = s.RecvMsg(new(encoding.RawMessage))
			}
			if status.Code(err) != codes.Canceled || time.Since(start) != time.Second {
				t.Errorf("%s: %v after %v, want CANCELED after 1s", kind, err, time.Since(start))
			}
		})
	}
}

// badConn is a connection that cannot be opened streams on, for one reason or another.
type badConn struct {
	transport.ClientConn
	opens int
	err   *transport.Error
}

func (c *badConn) Open(_ *transport.RequestHead, body *mem.Buf, _ bool, _ transport.ClientSink) (transport.ClientStream, error) {
	c.opens++
	body.Free()
	return nil, c.err
}

// A request that no connection would take fails at once; connections that fail one after the other
// end the call after a bounded number of tries with growing pauses.
func TestOpenFailures(t *testing.T) {
	tooLarge := &transport.Error{Scope: transport.ScopeStream, Origin: transport.OriginLocal, Token: reason.PeerHeaderList, Reason: "too large"}
	gone := &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Token: "x", Reason: "gone", Unprocessed: true}
	for _, tt := range []struct {
		err      *transport.Error
		deadline time.Duration
		want     codes.Code
		opens    int
		min, max time.Duration
	}{
		{tooLarge, time.Hour, codes.ResourceExhausted, 1, 0, 0},
		{tooLarge, 0, codes.ResourceExhausted, 1, 0, 0},
		{gone, 0, codes.Unavailable, maxRepeats + 1, time.Second, 4 * time.Second},
		{gone, 10 * time.Millisecond, codes.DeadlineExceeded, 5, 10 * time.Millisecond, 10 * time.Millisecond},
	} {
		for _, kind := range []string{"unary", "server stream", "client stream"} {
			synctest.Test(t, func(t *testing.T) {
				inner := inproc.New(script(success()), 0, nil)
				defer inner.Close(nil)
				conn := &badConn{ClientConn: inner, err: tt.err}
				set := testSettings()
				set.Timeout = tt.deadline
				start := time.Now()
				err := callKind(t, testEnv(t, conn), set, kind)
				took := time.Since(start)
				if status.Code(err) != tt.want || conn.opens < tt.opens-1 || conn.opens > tt.opens || took < tt.min || took > tt.max {
					t.Errorf("%s, %v, deadline %v: %v after %d tries and %v, want %v after %d and %v to %v",
						kind, tt.err, tt.deadline, err, conn.opens, took, tt.want, tt.opens, tt.min, tt.max)
				}
			})
		}
	}
}

// Without a budget of the service config, a server that refuses everything is not sent four times
// as much.
func TestImplicitRetriesHaveABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := script(failure(codes.Unavailable))
		conn := inproc.New(server, 0, nil)
		defer conn.Close(nil)
		env := testEnv(t, conn)
		idempotent := rawUnary
		idempotent.Idempotent = true
		const calls = 200
		for range calls {
			_ = Invoke(t.Context(), env, idempotent, testSettings(), encoding.RawMessage("q"), new(encoding.RawMessage))
		}
		if n := len(server.attempts); n <= calls || n > calls+5 {
			t.Errorf("%d calls made %d requests, want a few more", calls, n)
		}
	})
}

// Calls that are lost with their connection are tried again, however many they were.
func TestLostConnectionsAreNotCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 100
		conn := inproc.New(script(success()), 0, nil)
		defer conn.Close(nil)
		lost := new(atomic.Int32)
		lost.Store(calls)
		env := testEnv(t, lostConn{conn, lost})
		idempotent := rawUnary
		idempotent.Idempotent = true
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				if err := Invoke(t.Context(), env, idempotent, testSettings(), encoding.RawMessage("q"), new(encoding.RawMessage)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// lostConn is a connection that is lost under the first streams.
type lostConn struct {
	transport.ClientConn
	left *atomic.Int32
}

func (c lostConn) Open(head *transport.RequestHead, body *mem.Buf, end bool, sink transport.ClientSink) (transport.ClientStream, error) {
	if c.left.Add(-1) < 0 {
		return c.ClientConn.Open(head, body, end, sink)
	}
	s, err := c.ClientConn.Open(head, body, false, sink)
	if err == nil {
		s.Reset(wire.CodeCancel, "lost")
		sink.Closed(&transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Token: "reset", Reason: "connection lost"})
	}
	return s, err
}
