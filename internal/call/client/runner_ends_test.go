package client

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/status"
)

// starved has a connection for the first attempt, and none after it.
type starved struct {
	SingleConn
	picks *atomic.Int32
}

func (s starved) Pick(ctx context.Context, info *PickInfo) (transport.ClientConn, func(DoneInfo), error) {
	if s.picks.Add(1) == 1 {
		return s.SingleConn.Pick(ctx, info)
	}
	<-ctx.Done()
	return nil, nil, wire.ContextStatus(ctx, "waiting for a connection")
}

// A retry that waits for a connection ends with its call: Close, the end of the context, or the
// deadline. Every operation of the stream hears of it.
func TestRetryThatWaitsEndsWithTheCall(t *testing.T) {
	for name, want := range map[string]codes.Code{
		"close": codes.Canceled, "close without a context that ends": codes.Canceled, "cancel": codes.Canceled, "deadline": codes.DeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := inproc.New(script(failure(codes.Unavailable)), 0, nil)
				defer conn.Close(nil)
				env := testEnv(t, conn)
				env.Channel = starved{SingleConn{conn}, new(atomic.Int32)}
				set := testSettings()
				set.Retry.Policy = testPolicy()
				if name == "deadline" {
					set.Timeout = 10 * time.Second
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if name == "close without a context that ends" {
					ctx = context.Background()
				}
				s, err := NewStream(ctx, env, rawServer1, set)
				if err != nil {
					t.Fatal(err)
				}
				_ = s.SendMsg(encoding.RawMessage("a"))
				_ = s.CloseSend()
				received, header := make(chan error, 1), make(chan error, 1)
				go func() { received <- s.RecvMsg(new(encoding.RawMessage)) }()
				go func() { _, err := s.Header(); header <- err }()
				<-time.After(5 * time.Second)
				select {
				case err := <-received:
					t.Fatalf("not the case wanted: %v", err)
				default:
				}
				start := time.Now()
				switch name {
				case "close", "close without a context that ends":
					_ = s.Close()
				case "cancel":
					cancel()
				}
				err, herr := <-received, <-header
				if status.Code(err) != want || status.Code(herr) != want {
					t.Errorf("RecvMsg %v, Header %v, want %v", err, herr, want)
				}
				if name != "deadline" && time.Since(start) != 0 {
					t.Errorf("they ended after %v", time.Since(start))
				}
			})
		})
	}
}

// Send after CloseSend is the same error every time, under any policy, whatever else has become of
// the call.
func TestSendAfterCloseSend(t *testing.T) {
	for _, policy := range []*HedgingPolicy{nil, hedging(2, time.Second)} {
		synctest.Test(t, func(t *testing.T) {
			conn := inproc.New(script(success()), 0, nil)
			defer conn.Close(nil)
			set := testSettings()
			set.Retry.Hedging = policy
			s, err := NewStream(t.Context(), testEnv(t, conn), rawBidi, set)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.SendMsg(encoding.RawMessage("a")), s.CloseSend()); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if err := s.SendMsg(encoding.RawMessage("b")); err != errSendAfterClose {
					t.Errorf("hedged %v, time %d: %v", policy != nil, i, err)
				}
			}
			if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Internal {
				t.Errorf("RecvMsg: %v, want INTERNAL", err)
			}
			_ = s.Close()
			if err := s.SendMsg(encoding.RawMessage("b")); err != errSendAfterClose {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// A server that ends a call in good order at or after the client's deadline has cut it: the
// client's deadline decides.
func TestTheClientsDeadlineDecides(t *testing.T) {
	for _, late := range []time.Duration{-time.Millisecond, 0, time.Microsecond} {
		for _, kind := range []string{"unary", "server stream", "client stream"} {
			synctest.Test(t, func(t *testing.T) {
				conn := inproc.New(delayed(script(success()), time.Second+late), 0, nil)
				defer conn.Close(nil)
				set := testSettings()
				set.Timeout = time.Second
				want := codes.DeadlineExceeded
				if late < 0 {
					want = codes.OK
				}
				err := callKind(t, testEnv(t, conn), set, kind)
				if status.Code(err) != want {
					t.Errorf("%s, %v after the deadline: %v, want %v", kind, late, err, want)
				}
				if want != codes.OK && !strings.Contains(err.Error(), "deadline of 1s (set by WithTimeout) passed") {
					t.Errorf("the text does not say whose deadline: %v", err)
				}
			})
		}
	}
}

// A stream whose last message was received before the deadline, and its end after it, has not ended
// in good order.
func TestACutStreamHasNoCleanEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			answer{200, grpcHead, str("one"), []string{"grpc-status", "0"}, false}.to(s)
		}}, 0, nil)
		defer conn.Close(nil)
		set := testSettings()
		s, err := NewStream(t.Context(), testEnv(t, conn), rawServer1, set)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); err != nil {
			t.Fatal(err)
		}
		// The clock is past the deadline, and the timer has not fired yet.
		s.began, s.deadline, s.deadlineBy = time.Now().Add(-time.Second), time.Now(), "the context"
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v, want DEADLINE_EXCEEDED", err)
		}
		if err := s.RecvMsg(new(encoding.RawMessage)); err == io.EOF {
			t.Error("a clean end follows")
		}
	})
}

// away is a connection that takes a stream and says later that it has not acted on it: GOAWAY.
type away struct {
	transport.ClientConn
	left *atomic.Int32
}

func (c away) Open(head *transport.RequestHead, body *mem.Buf, end bool, sink transport.ClientSink) (transport.ClientStream, error) {
	if c.left.Add(-1) < 0 {
		return c.ClientConn.Open(head, body, end, sink)
	}
	s, err := c.ClientConn.Open(head, body, end, deaf{}) // a server that is quick may have answered
	if err == nil {
		s.Reset(wire.CodeCancel, "away")
		sink.Closed(&transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginPeer, Token: "goaway", Reason: "going away", Unprocessed: true})
	}
	return s, err
}

// deaf is a sink that nothing reaches.
type deaf struct{}

func (deaf) Head(*transport.ResponseHead, bool) {}
func (deaf) Data([]byte, bool)                  {}
func (deaf) Trailers([]transport.Field)         {}
func (deaf) Closed(*transport.Error)            {}

// Connections that go away may refuse a call several times in a row.
func TestRefusedByGoAway(t *testing.T) {
	for refusals, want := range map[int32]codes.Code{1: codes.OK, 2: codes.OK, maxGoAways: codes.OK, maxGoAways + 1: codes.Unavailable} {
		for _, kind := range []string{"unary", "server stream", "client stream"} {
			synctest.Test(t, func(t *testing.T) {
				conn := inproc.New(script(success()), 0, nil)
				defer conn.Close(nil)
				left := new(atomic.Int32)
				left.Store(refusals)
				err := callKind(t, testEnv(t, away{conn, left}), testSettings(), kind)
				if status.Code(err) != want {
					t.Errorf("%s refused %d times: %v, want %v", kind, refusals, err, want)
				}
			})
		}
	}
}

// The status of a call that was tried again says why the attempt before was lost.
func TestStatusNamesTheLostAttempt(t *testing.T) {
	for _, kind := range []string{"unary", "server stream", "client stream"} {
		synctest.Test(t, func(t *testing.T) {
			first := failure(codes.Unavailable)
			first.head = append(first.head[:len(first.head)-1:len(first.head)-1], "the disk is full")
			conn := inproc.New(script(first, failure(codes.NotFound)), 0, nil)
			defer conn.Close(nil)
			set := testSettings()
			set.Retry.Policy = testPolicy()
			err := callKind(t, testEnv(t, conn), set, kind)
			if s := status.Convert(err); s.Message() != "m (after 2 attempts; the attempt before: UNAVAILABLE: the disk is full)" {
				t.Errorf("%s: %v", kind, s)
			}
		})
	}
}
