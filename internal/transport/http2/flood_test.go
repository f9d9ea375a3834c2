package http2_test

import (
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// Floods of calls that are given up at once: the connection is slowed down, then drained, so that a
// call of somebody else who shares it ends in good order, and a peer that floods on is cut off.
func TestResetFloodIsDrainedThenCut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, nil, echoHandler{})
		p.request(1, false)
		id := uint32(3)
		flood := func(n int) {
			var b []byte
			for range n {
				b = frame.AppendHeaders(b, id, false, frame.MinMaxFrameSize,
					p.block(":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "test"))
				b = frame.AppendRSTStream(b, id, frame.Cancel)
				id += 2
			}
			p.write(b)
			elapse(200 * time.Millisecond)
		}
		flood(1000)
		p.wantIdle("within the burst")
		flood(900)
		p.wantIdle("beyond it, slowed down")
		flood(200)
		p.want("drained", "GOAWAY * ENHANCE_YOUR_CALM*")
		p.data(1, true, "shared")
		elapse(time.Second)
		p.want("a call that was open is served", "HEADERS stream=1 :status=200 *")
		p.want("a call that was open is served", `DATA stream=1 len=6 "shared"`)
		p.want("a call that was open is served", "HEADERS stream=1 END_STREAM *")
		p.wantGoAway("no call is open", frame.EnhanceYourCalm)
		if err := srv.Err(); err.Token != "reset_flood" {
			t.Errorf("token %q, want reset_flood", err.Token)
		}
	})
}

// A peer that floods on while its connection drains does not keep it by an open stream.
func TestResetFloodDoesNotHoldADrainedConnection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, nil, echoHandler{})
		p.request(1, false)
		for id := uint32(3); srv.Err() == nil && id < 10_000; id += 2 {
			p.request(id, false)
			p.reset(id, frame.Cancel)
			if id%200 == 1 {
				elapse(time.Millisecond)
			}
		}
		elapse(time.Second)
		p.want("drained", "GOAWAY * ENHANCE_YOUR_CALM*")
		p.wantGoAway("cut", frame.EnhanceYourCalm)
		if err := srv.Err(); err.Token != "reset_flood" {
			t.Errorf("token %q, want reset_flood", err.Token)
		}
	})
}

// Calls given up while they wait for a server that is busy, as deadlines do, at the highest rate
// there can be without being taken for a flood: each of 256 streams is open for 5 ms.
func TestDeadlinesOfEveryStreamAreNoFlood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, &http2.ServerConfig{}, echoHandler{})
		first := uint32(1)
		for range 100 {
			for i := range uint32(256) {
				p.request(first+2*i, false)
			}
			elapse(5 * time.Millisecond)
			for i := range uint32(256) {
				p.reset(first+2*i, frame.Cancel)
			}
			elapse(time.Microsecond)
			first += 512
		}
		p.wantIdle("none of 25,600 calls that were open for 5 ms is charged")
		if err := srv.Err(); err != nil {
			t.Error(err)
		}
	})
}

// Streams the peer makes this side reset are slowed down and drained likewise, at the limit that
// was set.
func TestResetsCausedFlood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		policy, err := abuse.NewPolicy(abuse.Config{ResetsCaused: abuse.Rate{Burst: 2, PerSecond: 1}})
		if err != nil {
			t.Fatal(err)
		}
		p, srv := dialServer(t, &http2.ServerConfig{Limits: http2.Limits{Abuse: policy}}, echoHandler{})
		p.request(1, false)
		id := uint32(3)
		bad := func() {
			p.request(id, true, "Upper", "case")
			p.want("malformed", "RST_STREAM *")
			id += 2
			elapse(100 * time.Millisecond)
		}
		bad()
		bad()
		bad() // slowed down
		bad()
		p.request(id, true, "Upper", "case")
		p.want("malformed", "RST_STREAM *")
		p.want("drained", "GOAWAY * ENHANCE_YOUR_CALM*")
		p.data(1, true, "shared")
		elapse(time.Second)
		p.want("a call that was open is served", "HEADERS stream=1 :status=200 *")
		p.want("a call that was open is served", `DATA stream=1 len=6 "shared"`)
		p.want("a call that was open is served", "HEADERS stream=1 END_STREAM *")
		p.wantGoAway("no call is open", frame.EnhanceYourCalm)
		if err := srv.Err(); err.Token != "reset_caused_flood" {
			t.Errorf("token %q, want reset_caused_flood", err.Token)
		}
	})
}
