package http2_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// earlyAnswer answers a request when some of its bytes have come, whatever follows.
type earlyAnswer struct {
	drain func() // called with the first bytes, if not nil
	after int    // how many bytes are enough; 0: one
}

func (h *earlyAnswer) Stream(s transport.ServerStream, _ *transport.RequestHead, _ bool) transport.Sink {
	return &earlySink{h: h, s: s}
}

type earlySink struct {
	h        *earlyAnswer
	s        transport.ServerStream
	got      int
	answered bool
}

func (e *earlySink) Data(p []byte, _ bool) {
	e.s.Consumed(len(p))
	if e.got += len(p); e.got == len(p) && e.h.drain != nil {
		e.h.drain()
	}
	if e.answered || e.got < e.h.after {
		return
	}
	e.answered = true
	_ = e.s.Send(&transport.Out{
		Head: &transport.ResponseHead{Status: 200}, Body: bufOf(strings.Repeat("r", 1000)), End: true,
		Trailers: []transport.Field{{Name: "grpc-status", Value: "0"}},
	})
}
func (e *earlySink) Trailers([]transport.Field) {}
func (e *earlySink) Closed(*transport.Error)    {}

// TestServerLingers: a server that has said its last word on a connection reads on until the client
// has closed it, and no longer than a second. A socket that is closed at once answers what still
// comes with a reset, which discards that word.
func TestServerLingers(t *testing.T) {
	drained := func(t *testing.T) (*peer, *http2.ServerConn) {
		p, srv := dialServer(t, nil, &earlyAnswer{})
		p.request(1, false)
		p.data(1, false, "begin")
		p.want("head", "HEADERS stream=1 :status=200")
		p.want("answer", "DATA stream=1 len=1000")
		p.want("end", "HEADERS stream=1 END_STREAM grpc-status=0")
		p.want("the rest of the request is not wanted", "RST_STREAM stream=1 len=4 NO_ERROR")
		srv.Drain("bye")
		p.want("the graceful GOAWAY", "GOAWAY len=11 last=2147483647 NO_ERROR \"bye\"")
		p.want("a ping", "PING len=8*")
		p.write(frame.AppendPing(nil, true, [8]byte{'d', 'r', 'a', 'i', 'n'}))
		p.want("the final GOAWAY", "GOAWAY len=11 last=1 NO_ERROR \"bye\"")
		p.want("the farewell", "GOAWAY len=8 last=1 NO_ERROR")
		p.wantClosed("it sends no more")
		return p, srv
	}
	sends := func(t *testing.T, p *peer, why string) {
		t.Helper()
		if _, err := p.nc.Write(frame.AppendData(nil, 1, false, bytes.Repeat([]byte("x"), 1<<14))); err != nil {
			t.Errorf("%s: %v", why, err)
		}
		synctest.Wait()
		if n := p.nc.Unread(); n > 0 {
			t.Errorf("%s: %d bytes are not read", why, n)
		}
	}
	t.Run("until the client closes", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			p, srv := drained(t)
			sends(t, p, "what was on its way")
			elapse(900 * time.Millisecond)
			sends(t, p, "within the second")
			p.nc.Close()
			start := time.Now()
			<-srv.Done()
			if d := time.Since(start); d > 0 {
				t.Errorf("closed %v after the client", d)
			}
		})
	})
	t.Run("for a second", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			start := time.Now()
			p, srv := drained(t)
			for range 9 {
				elapse(100 * time.Millisecond)
				sends(t, p, "a client that does not close")
			}
			<-srv.Done()
			if d := time.Since(start).Round(time.Millisecond); d != time.Second {
				t.Errorf("closed after %v, want 1s", d)
			}
		})
	})
	t.Run("not after a keepalive timeout", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			cfg := &http2.ServerConfig{Keepalive: http2.Keepalive{Interval: time.Minute, Timeout: time.Second, WithoutStreams: true}}
			start := time.Now()
			_, srv := dialServer(t, cfg, echoHandler{})
			<-srv.Done()
			if d := time.Since(start).Round(time.Millisecond); d != 61*time.Second {
				t.Errorf("closed after %v, want 1m1s", d)
			}
		})
	})
}

// TestFewFaultsLinger: peers that break rules have the reason kept for them, but not more than some
// at a time.
func TestFewFaultsLinger(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := &http2.ServerConfig{}
		var servers []*http2.ServerConn
		for range 300 {
			p, srv := dialServerRaw(t, cfg, echoHandler{})
			p.write([]byte(h2.Preface))
			p.write(frame.AppendPing(nil, false, [8]byte{})) // in place of SETTINGS
			servers = append(servers, srv)
		}
		synctest.Wait()
		closed := 0
		for _, srv := range servers {
			select {
			case <-srv.Done():
				closed++
			default:
			}
		}
		if want := 300 - 256; closed != want {
			t.Errorf("%d of 300 are closed at once, want %d", closed, want)
		}
		start := time.Now()
		for _, srv := range servers {
			<-srv.Done()
		}
		if d := time.Since(start).Round(time.Millisecond); d != 250*time.Millisecond {
			t.Errorf("the others after %v, want 250ms", d)
		}
	})
}

// TestClientReadsOnWhenItCannotWrite: what a server has sent before it closed the connection
// counts, although the client learns of the close by a write first.
func TestClientReadsOnWhenItCannotWrite(t *testing.T) {
	for _, tc := range []struct {
		name  string
		rest  func(p *peer)
		token string
	}{
		{"the response is complete", func(p *peer) { p.headers(1, true, "grpc-status", "0") }, ""},
		{"it says why", func(p *peer) { p.write(frame.AppendGoAway(nil, 1, frame.InternalError, "oops")) }, "goaway"},
		{"the connection is lost", func(*peer) {}, "write"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p, c := acceptClient(t, nil)
				sink := &slowSink{clientSink: newClientSink(), busy: make(chan struct{})}
				s, err := c.Open(testHead, nil, false, sink)
				if err != nil {
					t.Fatal(err)
				}
				sink.s <- s
				p.want("head", "HEADERS stream=1 *")
				p.headers(1, false, ":status", "200")
				p.data(1, false, "some")
				synctest.Wait() // the read loop is busy
				tc.rest(p)
				p.nc.Close()
				_ = s.Send(bufOf("more"), false) // left to the read loop, as it may be an answer
				_ = s.Send(bufOf("more"), false)
				synctest.Wait()
				if _, err := c.Open(testHead, nil, true, newClientSink()); err == nil {
					t.Error("a connection that cannot write takes a stream")
				}
				close(sink.busy)
				sink.wantEnd(t, tc.name, tc.token, false)
				<-c.Done()
			})
		})
	}
}

// slowSink keeps the read loop busy with the first data.
type slowSink struct {
	*clientSink
	busy chan struct{}
}

func (s *slowSink) Data(p []byte, end bool) {
	<-s.busy
	s.clientSink.Data(p, end)
}

// TestEarlyAnswersOverTCP: answers to clients that are still sending are not lost with connections
// that end.
func TestEarlyAnswersOverTCP(t *testing.T) {
	cert := selfSigned(t)
	for _, secure := range []bool{false, true} {
		name := "plaintext"
		if secure {
			name = "TLS"
		}
		t.Run(name, func(t *testing.T) {
			for range 15 {
				lis, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				h := &earlyAnswer{after: 200_000} // long after the client has answered the ping
				ready := make(chan *http2.ServerConn, 1)
				go func() {
					nc, err := lis.Accept()
					if err != nil {
						close(ready)
						return
					}
					cfg := &http2.ServerConfig{}
					if secure {
						cfg.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"h2"}}
					}
					var srv *http2.ServerConn
					got := make(chan struct{})
					h.drain = func() { <-got; srv.Drain("bye") }
					srv = http2.ServeConn(nc, cfg, h)
					close(got)
					ready <- srv
				}()
				nc, err := net.Dial("tcp", lis.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				if secure {
					nc = tls.Client(http2.SpillTLS(nc), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
				}
				c, err := http2.NewClientConn(t.Context(), nc, &http2.ClientConfig{})
				if err != nil {
					t.Fatal(err)
				}
				srv := <-ready
				sink := newClientSink()
				s, err := c.Open(testHead, nil, false, sink)
				if err != nil {
					t.Fatal(err)
				}
				sink.s <- s
				for range 200 { // whether all of it can be sent is not the point
					if s.Send(bufOf(strings.Repeat("x", 1<<14)), false) != nil || s.AwaitSend(sink.done) != nil {
						break
					}
				}
				<-sink.done
				if sink.err != nil || sink.status != 200 || len(sink.body) != 1000 || len(sink.trailers) != 1 {
					t.Errorf("got status %d, %d bytes, %v, %v; want the answer", sink.status, len(sink.body), sink.trailers, sink.err)
				}
				lis.Close()
				<-c.Done()
				<-srv.Done()
			}
		})
	}
}

// TestAlertsAreNotLost: a client learns by an alert that its certificate is missing. With TLS 1.3
// it sends its preface and requests at the same time, which are taken from it, so that no reset
// discards the alert.
func TestAlertsAreNotLost(t *testing.T) {
	cert := selfSigned(t)
	inBubble(t, func(t *testing.T) {
		a, b := memnet.Pipe(pipeBytes)
		srv := http2.ServeConn(b, &http2.ServerConfig{TLS: &tls.Config{
			Certificates: []tls.Certificate{*cert}, NextProtos: []string{"h2"}, ClientAuth: tls.RequireAnyClientCert,
		}}, echoHandler{})
		tc := tls.Client(a, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			synctest.Wait()
			if _, err := tc.Write(make([]byte, 16<<10)); err != nil {
				t.Errorf("a write before the alert is read: %v", err)
			}
		}
		_, err := tc.Read(make([]byte, 10))
		if !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("the client is told %v, want the alert", err)
		}
		a.Close()
		<-srv.Done()
	})
}
