package http2_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

var testHead = &transport.RequestHead{Method: "POST", Scheme: "http", Authority: "test", Path: "/s/m"}

// call opens a stream with a body of one DATA frame.
func call(t *testing.T, c *http2.ClientConn, body string) *clientSink {
	t.Helper()
	b := mem.Get(len(body))
	b.B = append(b.B, body...)
	sink := newClientSink()
	s, err := c.Open(testHead, b, true, sink)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	sink.s <- s
	return sink
}

// wantEnd waits for the end of a call and compares how it ended: "" for well.
func (s *clientSink) wantEnd(t *testing.T, why, token string, unprocessed bool) {
	t.Helper()
	<-s.done
	got, safe := "", false
	if s.err != nil {
		got, safe = string(s.err.Token), s.err.Unprocessed
	}
	if got != token || safe != unprocessed {
		t.Errorf("%s: ended with %q, unprocessed %v, want %q, %v", why, got, safe, token, unprocessed)
	}
}

func TestClientUnaryExchange(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil)
		s := call(t, c, "hello")
		p.want("request head", "HEADERS stream=1 :method=POST :scheme=http :path=/s/m :authority=test")
		p.want("request body", `DATA stream=1 len=5 END_STREAM "hello"`)
		p.headers(1, false, ":status", "103", "link", "x")
		p.headers(1, false, ":status", "200")
		p.data(1, false, "world")
		p.headers(1, true, "grpc-status", "0")
		s.wantEnd(t, "an exchange as it should be", "", false)
		if s.status != 200 || string(s.body) != "world" || len(s.trailers) != 1 {
			t.Errorf("status %d body %q trailers %v", s.status, s.body, s.trailers)
		}
		if open, _ := c.Load(); open != 0 {
			t.Errorf("%d streams open after the end", open)
		}
	})
}

func TestRFC9113_6_8_GoAwayTellsWhatWasNotProcessed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil)
		first, second := call(t, c, "1"), call(t, c, "2")
		for range 4 {
			p.next()
		}
		p.write(frame.AppendGoAway(nil, 1, frame.NoError, "max_age"))
		second.wantEnd(t, "above the last stream id", "goaway", true)
		<-c.Info().Draining
		if err := c.Err(); err == nil || err.Token != "goaway" || err.Origin != transport.OriginPeer {
			t.Errorf("Err while draining: %v", err)
		}
		var te *transport.Error
		if _, err := c.Open(testHead, nil, true, newClientSink()); !errors.As(err, &te) || !te.Unprocessed {
			t.Errorf("Open on a connection that goes away: %v", err)
		}
		p.headers(1, false, ":status", "200")
		p.headers(1, true, "grpc-status", "0")
		first.wantEnd(t, "at the last stream id", "", false)
		p.want("nothing is open: farewell", "GOAWAY len=8 last=0 NO_ERROR")
		p.wantClosed("nothing is open")
	})
}

func TestRefusedStreamIsUnprocessed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil)
		a, b := call(t, c, "1"), call(t, c, "2")
		p.reset(1, frame.RefusedStream)
		p.reset(3, frame.InternalError)
		a.wantEnd(t, "REFUSED_STREAM", "rst_stream", true)
		b.wantEnd(t, "any other code", "rst_stream", false)
	})
}

func TestConnectionLoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil)
		s := call(t, c, "1")
		p.next()
		p.nc.Close()
		s.wantEnd(t, "the peer closed", "eof", false)
		<-c.Done()
	})
}

// TestGoAwayIsTheReason: a server that says why it closes at once is quoted.
func TestGoAwayIsTheReason(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil)
		s := call(t, c, "1")
		p.next()
		p.next()
		p.write(frame.AppendGoAway(nil, 1, frame.EnhanceYourCalm, "too_many_pings"))
		p.nc.Close()
		s.wantEnd(t, "begun, and lost", "goaway", false)
		<-c.Done()
		if err := c.Err(); err.Code != uint32(frame.EnhanceYourCalm) || !strings.Contains(err.Reason, "too_many_pings") {
			t.Errorf("Err: %v", err)
		}
	})
}

// TestUnwrittenRequestsAreUnprocessed: what the socket never took, nobody has acted on.
func TestUnwrittenRequestsAreUnprocessed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil)
		p.windowUpdate(0, 1<<30)
		sent := call(t, c, "1")
		p.next()
		p.next()
		// Fill the pipe: from now on nothing leaves.
		p.settings(frame.Setting{ID: frame.SettingInitialWindowSize, Value: 1 << 30})
		p.want("ack", "SETTINGS len=0 ACK")
		big := call(t, c, strings.Repeat("x", 2*pipeBytes))
		synctest.Wait()
		late := call(t, c, "3")
		synctest.Wait()
		p.nc.Abort()
		for _, tt := range []struct {
			why  string
			sink *clientSink
			want bool
		}{{"read by the peer", sent, false}, {"partly written", big, false}, {"behind it, not written", late, true}} {
			<-tt.sink.done
			if err := tt.sink.err; err == nil || err.Unprocessed != tt.want {
				t.Errorf("%s: ended with %+v, want unprocessed %v", tt.why, err, tt.want)
			}
		}
	})
}

func TestStreamLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil, frame.Setting{ID: frame.SettingMaxConcurrentStreams, Value: 1})
		first := call(t, c, "1")
		if _, err := c.Open(testHead, nil, true, newClientSink()); err != transport.ErrStreamLimit {
			t.Fatalf("Open above the limit: %v", err)
		}
		done := make(chan struct{})
		close(done)
		if err := c.AwaitSlot(done); err != transport.ErrAwaitDone {
			t.Fatalf("AwaitSlot with a closed channel: %v", err)
		}
		waited := make(chan error, 1)
		go func() { waited <- c.AwaitSlot(nil) }()
		p.headers(1, true, ":status", "200")
		first.wantEnd(t, "trailers-only", "", false)
		if err := <-waited; err != nil {
			t.Errorf("AwaitSlot: %v", err)
		}
		go func() { waited <- c.AwaitSlot(nil) }()
		second := call(t, c, "2")
		p.write(frame.AppendGoAway(nil, 0, frame.NoError, ""))
		second.wantEnd(t, "not processed", "goaway", true)
		<-waited // wakes up whatever the end
	})
}

func TestResetByTheProgram(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, nil)
		sink := newClientSink()
		s, err := c.Open(testHead, nil, false, sink)
		if err != nil {
			t.Fatal(err)
		}
		p.want("head", "HEADERS stream=1 *")
		s.Reset(uint32(frame.Cancel), "cancelled")
		p.want("the peer is told", "RST_STREAM stream=1 len=4 CANCEL")
		p.data(1, true, "late")
		p.headers(1, true, "late", "x")
		p.wantIdle("frames that were on their way are ignored")
		if err := s.Send(nil, true); err == nil {
			t.Error("Send on a stream that was reset succeeded")
		}
	})
}

func TestNewClientConnWaitsForSettings(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client, server := memnet.Pipe(pipeBytes)
		defer server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := http2.NewClientConn(ctx, client, &http2.ClientConfig{})
		var te *transport.Error
		if !errors.As(err, &te) || te.Token != "connect_timeout" || !te.Unprocessed {
			t.Errorf("silent server: %v", err)
		}
	})
}
