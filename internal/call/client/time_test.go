package client

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/status"
)

func TestDeadlines(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ctx    time.Duration
		option time.Duration
		answer func(s *rawStream)
		want   string
	}{
		{"context", time.Second, 0, func(*rawStream) {}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, no response received"},
		{"option", 0, 2 * time.Second, func(*rawStream) {}, "deadline of 2s (set by WithTimeout) passed: sent to inproc 2s ago, no response received"},
		{"option earlier", 3 * time.Second, time.Second, func(*rawStream) {}, "deadline of 1s (set by WithTimeout) passed: sent to inproc 1s ago, no response received"},
		{"context earlier", time.Second, 3 * time.Second, func(*rawStream) {}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, no response received"},
		{"head came", time.Second, 0, func(s *rawStream) {
			s.send(&transport.Out{Head: &transport.ResponseHead{Status: 200, Fields: rawFields(grpcHead...)}})
		}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, only the header of the response received"},
		{"part came", time.Second, 0, func(s *rawStream) {
			b := mem.Get(10)
			b.B = append(b.B, str("yes")...)
			s.send(&transport.Out{Head: &transport.ResponseHead{Status: 200, Fields: rawFields(grpcHead...)}, Body: b})
		}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, 8 bytes of the response received"},
	} {
		for _, kind := range []string{"unary", "stream"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var token string
					conn := inproc.New(&rawServer{serve: func(s *rawStream) {
						tt.answer(s)
						token = string((<-s.closed).Token)
					}}, 0, nil)
					defer conn.Close(nil)
					ctx := t.Context()
					if tt.ctx > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.ctx)
						defer cancel()
					}
					set := testSettings()
					set.Timeout = tt.option
					var err error
					if kind == "unary" {
						_, err = invoke(ctx, testEnv(t, conn), set, "q")
					} else {
						s, serr := NewStream(ctx, testEnv(t, conn), rawClient, set)
						if serr != nil {
							t.Fatal(serr)
						}
						_ = s.CloseSend()
						err = s.RecvMsg(new(encoding.RawMessage))
					}
					s := status.Convert(err)
					if s.Code() != codes.DeadlineExceeded || s.Message() != tt.want {
						t.Errorf("got  %v\nwant DEADLINE_EXCEEDED: %s", s, tt.want)
					}
					synctest.Wait()
					if token != "canceled" {
						t.Errorf("the server's stream was ended by %q, want canceled", token)
					}
				})
			})
		}
	}
}

// passed is a context whose deadline has passed and which has not ended yet: a timer may be late.
type passed struct{ context.Context }

func (p passed) Deadline() (time.Time, bool) { return time.Now().Add(-184 * time.Microsecond), true }

// A call whose deadline passed before it began is not sent, and its error has no negative times.
func TestDeadlineThatHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := false
		conn := inproc.New(&rawServer{serve: func(s *rawStream) { sent = true; <-s.closed }}, 0, nil)
		defer conn.Close(nil)
		_, err := invoke(passed{t.Context()}, testEnv(t, conn), testSettings(), "q")
		s := status.Convert(err)
		if want := "the deadline (set by the context) passed 184µs before the call began"; s.Code() != codes.DeadlineExceeded || s.Message() != want {
			t.Errorf("got %v, want DEADLINE_EXCEEDED: %s", s, want)
		}
		if _, err := NewStream(passed{t.Context()}, testEnv(t, conn), rawBidi, testSettings()); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a stream: %v", err)
		}
		if synctest.Wait(); sent {
			t.Error("the call was sent")
		}
	})
}

func TestCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) { <-s.closed }}, 0, nil)
		defer conn.Close(nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := fmt.Errorf("the user went away")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := invoke(ctx, testEnv(t, conn), testSettings(), "q")
		s := status.Convert(err)
		if want := "canceled by the caller after 1s: sent to inproc 1s ago, no response received: the user went away"; s.Code() != codes.Canceled || s.Message() != want {
			t.Errorf("got %v, want %s", s, want)
		}
		if _, err := invoke(ctx, testEnv(t, conn), testSettings(), "q"); status.Code(err) != codes.Canceled {
			t.Errorf("a call with an ended context: %v", err)
		}
		if _, err := NewStream(ctx, testEnv(t, conn), rawBidi, testSettings()); status.Code(err) != codes.Canceled {
			t.Errorf("a stream with an ended context: %v", err)
		}
	})
}
