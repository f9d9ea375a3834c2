package http2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// awaiting is a handler whose requests are 100,000 bytes longer than what comes first.
type awaiting struct{}

func (awaiting) Stream(s transport.ServerStream, _ *transport.RequestHead, _ bool) transport.Sink {
	return &awaitingSink{stream: s}
}

type awaitingSink struct {
	stream transport.ServerStream
	got    int
}

func (s *awaitingSink) Data(p []byte, _ bool) {
	if s.got == 0 {
		s.stream.Want(100_000)
	}
	s.got += len(p)
}

func (s *awaitingSink) Trailers([]transport.Field) {}

func (s *awaitingSink) Closed(*transport.Error) { s.stream.Consumed(s.got) }

// TestHeldBytesAreTakenBack: windows of all connections grow only while little is held, so that what a connection that
// has ended did not take back would keep those of others small for ever.
func TestHeldBytesAreTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := &http2.ServerConfig{}
		p, _ := dialServer(t, cfg, awaiting{})
		for id := uint32(1); id <= 5; id += 2 {
			p.request(id, false)
			for range 3 {
				p.data(id, false, strings.Repeat("x", 16_000))
			}
		}
		elapse(time.Millisecond)
		if held := cfg.Held(); held < 80_000 || held > 144_000 {
			t.Errorf("%d bytes are held, want 144,000 but for the last 64 KiB", held)
		}
		p.nc.Close()
		elapse(time.Second)
		if held := cfg.Held(); held != 0 {
			t.Errorf("%d bytes are held by a connection that has ended", held)
		}
	})
}

// unstartedSink is the sink of a call that nobody has looked at.
type unstartedSink struct{ awaitingSink }

func (unstartedSink) Started() bool { return false }

type waiting struct{}

func (waiting) Stream(s transport.ServerStream, _ *transport.RequestHead, _ bool) transport.Sink {
	return &unstartedSink{awaitingSink{stream: s}}
}

func (waiting) ConnDone() {}

// TestStalledCallIsRefused: as long as nobody has looked at a call whose message does not go on, its peer may try again, and so
// others need not wait long.
func TestStalledCallIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := &http2.ServerConfig{Limits: http2.Limits{SharedReceive: 64 << 10}}
		first, _ := dialServer(t, cfg, waiting{})
		second, _ := dialServer(t, cfg, awaiting{})
		first.request(1, false)
		first.data(1, false, "12345")
		first.want("room for the message", "WINDOW_UPDATE stream=1 len=4 +33445")
		first.want("on the connection, too", "WINDOW_UPDATE len=4 +33445")
		second.request(1, false)
		second.data(1, false, "12345")
		elapse(900 * time.Millisecond)
		second.wantIdle("the first may still go on")
		elapse(300 * time.Millisecond)
		first.want("it did not", "RST_STREAM stream=1 len=4 REFUSED_STREAM")
		elapse(time.Second)
		second.want("room for the other message", "WINDOW_UPDATE stream=1 len=4 +33445")
	})
}

// TestSharedReceiveMemory: there is enough for one message. The connection that has begun a second waits,
// and is served when the first has made no progress for so long that a slow network is no excuse.
func TestSharedReceiveMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		counts := make(chan string, 10) // more than can be counted here
		cfg := &http2.ServerConfig{
			Limits: http2.Limits{SharedReceive: 64 << 10},
			Count:  func(err *transport.Error) { counts <- err.Token },
		}
		first, _ := dialServer(t, cfg, awaiting{})
		second, _ := dialServer(t, cfg, awaiting{})
		first.request(1, false)
		first.data(1, false, "12345")
		first.want("room for the message", "WINDOW_UPDATE stream=1 len=4 +33445")
		first.want("on the connection, too", "WINDOW_UPDATE len=4 +33445")
		second.request(1, false)
		second.data(1, false, "12345")
		elapse(900 * time.Millisecond)
		second.wantIdle("the first may still go on")
		elapse(4 * time.Second)
		first.wantIdle("its network may be slow")
		second.wantIdle("the first may be")
		elapse(300 * time.Millisecond)
		first.want("it did not", "RST_STREAM stream=1 len=4 ENHANCE_YOUR_CALM")
		elapse(2 * time.Second)
		second.want("room for the other message", "WINDOW_UPDATE stream=1 len=4 +33445")
		second.want("on the connection, too", "WINDOW_UPDATE len=4 +33445")
		if token := <-counts; token != "receive_stalled" {
			t.Errorf("counted %s, want receive_stalled", token)
		}
		first.request(3, true)
		first.wantIdle("the connection is fit for other calls")
	})
}
