package http2_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

const wantPing = "PING len=8 6b65657000000000"

func (p *peer) pong() {
	p.t.Helper()
	p.write(frame.AppendPing(nil, true, [8]byte{'k', 'e', 'e', 'p'}))
	synctest.Wait()
}

// wantPingAfter expects a ping d from now, and not earlier, and answers it.
func (p *peer) wantPingAfter(why string, d time.Duration) {
	p.t.Helper()
	elapse(d - time.Millisecond)
	p.wantIdle(why + ": too early")
	elapse(2 * time.Millisecond)
	p.want(why, wantPing)
	p.pong()
}

// keptAlive is a client with a call the server has not answered.
func keptAlive(t *testing.T, k http2.Keepalive) (*peer, *http2.ClientConn, *clientSink) {
	t.Helper()
	p, c := acceptClient(t, &http2.ClientConfig{Keepalive: k})
	s := call(t, c, "x")
	p.next()
	p.next()
	return p, c, s
}

func TestKeepaliveClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, c := acceptClient(t, &http2.ClientConfig{Keepalive: http2.Keepalive{Interval: time.Minute, Timeout: 10 * time.Second}})
		elapse(10*time.Minute + time.Second)
		p.wantIdle("no ping without a stream")
		s := call(t, c, "x")
		p.next()
		p.next()
		elapse(59 * time.Second)
		p.want("a ping while a stream is open", wantPing)
		elapse(9 * time.Second)
		p.wantIdle("the peer has ten seconds to answer")
		elapse(2 * time.Second)
		s.wantEnd(t, "no answer", "keepalive_timeout", false)
	})
}

// TestA8_QuietPeriod: gRFC A8 lets a server end connections whose pings come more than twice within
// 5 minutes of the one before while it sends nothing.
func TestA8_QuietPeriod(t *testing.T) {
	const interval, quiet = 10 * time.Second, 5*time.Minute + 3*time.Second
	inBubble(t, func(t *testing.T) {
		p, _, _ := keptAlive(t, http2.Keepalive{Interval: interval})
		for _, speak := range []func(){
			func() { p.headers(1, false, ":status", "200") },
			func() { p.data(1, false, "x") },
			func() { p.data(1, false, "y") },
		} {
			p.wantPingAfter("the first", interval)
			p.wantPingAfter("the second", interval)
			p.wantPingAfter("the third waits for what servers permit", quiet)
			p.wantPingAfter("and those after it", quiet)
			speak()
			synctest.Wait()
		}
		p.wantPingAfter("after DATA", interval)
		p.windowUpdate(1, 1)
		synctest.Wait()
		p.wantPingAfter("after a frame that forgives nothing", interval)
		p.wantPingAfter("it was the second", quiet)
	})
}

// TestA8_PingsUnderWayCountOn: what the server sent before it saw our ping does not forgive that
// ping.
func TestA8_PingsUnderWayCountOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _, _ := keptAlive(t, http2.Keepalive{Interval: 10 * time.Second})
		elapse(10 * time.Second)
		p.want("the first", wantPing)
		p.headers(1, false, ":status", "200") // it may have crossed the ping
		p.pong()
		p.wantPingAfter("the second", 10*time.Second)
		elapse(4 * time.Minute)
		p.wantIdle("the third")
	})
}

// TestA8_DeathInAQuietPeriod: a peer that dies when pings are rare is found by the next one.
func TestA8_DeathInAQuietPeriod(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _, s := keptAlive(t, http2.Keepalive{Interval: 10 * time.Second, Timeout: 20 * time.Second})
		p.wantPingAfter("the first", 10*time.Second)
		p.wantPingAfter("the second", 10*time.Second)
		began := time.Now()
		s.wantEnd(t, "no answer", "keepalive_timeout", false)
		if d := time.Since(began); d > 5*time.Minute+3*time.Second+10*time.Second+20*time.Second {
			t.Errorf("found after %v", d)
		}
	})
}

func TestKeepaliveSettings(t *testing.T) {
	t.Run("a server that permits more", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			p, _, _ := keptAlive(t, http2.Keepalive{Interval: time.Minute, Quiet: 10 * time.Second})
			for range 100 {
				p.wantPingAfter("each interval", time.Minute)
			}
		})
	})
	t.Run("a server that permits less", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			p, _, _ := keptAlive(t, http2.Keepalive{Interval: time.Minute, Quiet: -1})
			p.wantPingAfter("the first", time.Minute)
			p.wantPingAfter("the second", time.Minute)
			elapse(100 * time.Hour)
			p.wantIdle("nobody knows what the server permits")
			p.data(1, true, "")
		})
	})
	t.Run("without streams", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			p, _ := acceptClient(t, &http2.ClientConfig{Keepalive: http2.Keepalive{
				Interval: time.Minute, Quiet: time.Minute, WithoutStreams: true}})
			for range 2 {
				p.wantPingAfter("while idle", time.Minute)
			}
			p.wantPingAfter("while idle, a little more than the server's minute", time.Minute+600*time.Millisecond)
		})
	})
}

// TestA8_NeverTooManyPings: clients with all kinds of intervals and servers of all kinds of
// talkativeness, a day long, both ends real.
func TestA8_NeverTooManyPings(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Second, 47 * time.Second, 4*time.Minute + 59*time.Second, time.Hour} {
		for _, speaks := range []time.Duration{0, 9 * time.Second, 31 * time.Second, 7 * time.Minute, 3 * time.Hour} {
			t.Run(interval.String()+"/"+speaks.String(), func(t *testing.T) {
				inBubble(t, func(t *testing.T) { aDayOfPings(t, interval, speaks) })
			})
		}
	}
}

// TestA8_TooManyPings shows that those servers do end connections with more pings.
func TestA8_TooManyPings(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		began := time.Now()
		c, end := dayOfPings(t, http2.Keepalive{Interval: 10 * time.Second, Quiet: time.Nanosecond}, 0)
		defer end()
		<-c.Info().Draining
		if err := c.Err(); err.Token != "goaway" || err.Code != uint32(frame.EnhanceYourCalm) || time.Since(began) > time.Minute {
			t.Errorf("ended after %v with %v, want GOAWAY within a minute", time.Since(began), err)
		}
	})
}

func aDayOfPings(t *testing.T, interval, speaks time.Duration) {
	c, end := dayOfPings(t, http2.Keepalive{Interval: interval, Timeout: 20 * time.Second}, speaks)
	defer end()
	elapse(24 * time.Hour)
	if err := c.Err(); err != nil {
		t.Errorf("the connection ended: %v", err)
	}
}

// dayOfPings connects a client to a server with default enforcement and makes a call that does not
// end by itself.
func dayOfPings(t *testing.T, k http2.Keepalive, speaks time.Duration) (c *http2.ClientConn, end func()) {
	client, server := memnet.Pipe(pipeBytes)
	h := &talker{every: speaks, stop: make(chan struct{})}
	srv := http2.ServeConn(server, &http2.ServerConfig{}, h)
	c, err := http2.NewClientConn(context.Background(), client, &http2.ClientConfig{Keepalive: k})
	if err != nil {
		t.Fatal(err)
	}
	call(t, c, "x")
	return c, func() {
		close(h.stop)
		c.Close(nil)
		<-c.Done()
		<-srv.Done()
	}
}

// talker is a server that sends a byte from time to time.
type talker struct {
	every time.Duration // 0: never
	stop  chan struct{} // closed at the end of the test
}

func (h *talker) Stream(s transport.ServerStream, _ *transport.RequestHead, _ bool) transport.Sink {
	if h.every > 0 {
		go h.talk(s)
	}
	return ignoring{}
}

func (h *talker) talk(s transport.ServerStream) {
	out := &transport.Out{Head: &transport.ResponseHead{Status: 200}}
	for {
		select {
		case <-h.stop:
			return
		case <-time.After(h.every):
		}
		out.Body = mem.Get(1)
		out.Body.B = append(out.Body.B, 'x')
		_ = s.Send(out) // fails when the test is over
		out.Head = nil
	}
}

// ignoring is a sink of requests that nobody looks at.
type ignoring struct{}

func (ignoring) Data([]byte, bool)          {}
func (ignoring) Trailers([]transport.Field) {}
func (ignoring) Closed(*transport.Error)    {}
