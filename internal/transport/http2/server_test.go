package http2_test

import (
	"io"
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

func TestUnaryExchange(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _ := dialServer(t, nil, echoHandler{})
		p.request(1, false)
		p.wantIdle("the request is not complete")
		p.data(1, true, "hello")
		p.want("response head", "HEADERS stream=1 :status=200 content-type=application/grpc")
		p.want("response body", `DATA stream=1 len=5 "hello"`)
		p.want("trailers end the stream", "HEADERS stream=1 END_STREAM grpc-status=0")
		p.wantIdle("nothing follows")
	})
}

func TestRFC9113_3_4_FirstFrameMustBeSettings(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _ := dialServerRaw(t, nil, echoHandler{})
		p.write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		p.write(frame.AppendPing(nil, false, [8]byte{}))
		p.want("server's own preface", "SETTINGS *")
		p.want("window", "WINDOW_UPDATE *")
		p.wantGoAway("a PING where SETTINGS must be", frame.ProtocolError)
	})
}

func TestPrefaceTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServerRaw(t, nil, echoHandler{})
		p.write([]byte("PRI * HT"))
		elapse(9 * time.Second)
		p.wantIdle("the client may take ten seconds")
		elapse(2 * time.Second)
		p.wantClosed("after ten seconds without a whole preface")
		if err := srv.Err(); err.Token != "preface" {
			t.Errorf("token %q, want preface", err.Token)
		}
	})
}

func TestSettingsTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServerRaw(t, nil, echoHandler{})
		p.write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		p.want("server's own preface", "SETTINGS *")
		p.want("window", "WINDOW_UPDATE *")
		elapse(11 * time.Second)
		p.wantGoAway("no SETTINGS within ten seconds", frame.InternalError)
		if err := srv.Err(); err.Token != "read_timeout" {
			t.Errorf("token %q, want read_timeout", err.Token)
		}
	})
}

func TestHeaderBlockTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _ := dialServer(t, nil, echoHandler{})
		elapse(time.Hour)
		p.wantIdle("an idle connection has no deadline")
		b := frame.AppendHeaders(nil, 1, true, frame.MinMaxFrameSize, p.block(":method", "POST"))
		b[4] &^= byte(frame.FlagEndHeaders)
		p.write(b)
		elapse(9 * time.Second)
		p.wantIdle("a block may take ten seconds")
		elapse(2 * time.Second)
		p.wantGoAway("the block is not complete after ten seconds", frame.InternalError)
	})
}

// TestFramesInParts: a peer that sends without pause may leave a frame in parts each time its bytes
// are read. The limit is for each frame, not for the time since there was none in parts.
func TestFramesInParts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _ := dialServer(t, nil, echoHandler{})
		f := frame.AppendWindowUpdate(nil, 0, 1)
		p.write(f[:5])
		for range 30 {
			elapse(time.Second)
			p.write(append(f[5:len(f):len(f)], f[:5]...)) // the rest of one and the beginning of the next
		}
		p.wantIdle("the connection is as good as ever")
		elapse(11 * time.Second)
		p.wantGoAway("the last frame does not come", frame.InternalError)
	})
}

func TestGracefulDrain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, nil, echoHandler{})
		p.request(1, false)
		srv.Drain("bye")
		p.want("first GOAWAY lets any stream in", `GOAWAY len=11 last=2147483647 NO_ERROR "bye"`)
		p.want("a ping measures when the client knows", "PING len=8 *")
		p.request(3, true) // was on its way
		p.want("it is served", "HEADERS stream=3 :status=200*")
		p.want("it is served", "HEADERS stream=3 END_STREAM *")
		p.write(frame.AppendPing(nil, true, [8]byte{'d', 'r', 'a', 'i', 'n'}))
		p.want("final GOAWAY", `GOAWAY len=11 last=3 NO_ERROR "bye"`)
		p.request(5, true)
		p.wantIdle("a stream after the final GOAWAY is ignored")
		p.data(1, true, "x")
		p.want("the open stream is finished", "HEADERS stream=1 :status=200*")
		p.want("the open stream is finished", "DATA stream=1 *")
		p.want("the open stream is finished", "HEADERS stream=1 END_STREAM *")
		p.want("farewell", "GOAWAY len=* last=3 NO_ERROR*")
		p.wantClosed("nothing is open any more")
		<-srv.Done()
		if err := srv.Err(); err.Token != "drained" || err.Reason != "bye" {
			t.Errorf("ended with %q %q", err.Token, err.Reason)
		}
	})
}

func TestDrainWithoutPingAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, nil, echoHandler{})
		srv.Drain("bye")
		p.want("first GOAWAY", "GOAWAY * last=2147483647 NO_ERROR*")
		p.want("ping", "PING *")
		elapse(4 * time.Second)
		p.wantIdle("the client has five seconds")
		elapse(2 * time.Second)
		p.want("final GOAWAY all the same", "GOAWAY * last=0 NO_ERROR*")
		p.want("farewell", "GOAWAY * last=0 NO_ERROR*")
		p.wantClosed("nothing was open")
	})
}

func TestKeepalive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, &http2.ServerConfig{
			Keepalive: http2.Keepalive{Interval: time.Minute, Timeout: 10 * time.Second, WithoutStreams: true},
		}, echoHandler{})
		elapse(59 * time.Second)
		p.wantIdle("no ping before the interval")
		elapse(time.Second)
		p.want("a ping after a quiet interval", "PING len=8 6b65657000000000")
		p.write(frame.AppendPing(nil, true, [8]byte{'k', 'e', 'e', 'p'}))
		elapse(59 * time.Second)
		p.wantIdle("the answer was a byte, too")
		elapse(time.Second)
		p.want("and another one", "PING len=8 6b65657000000000")
		elapse(11 * time.Second)
		p.wantGoAway("unanswered for ten seconds", frame.NoError)
		<-srv.Done()
		if err := srv.Err(); err.Token != "keepalive_timeout" {
			t.Errorf("token %q, want keepalive_timeout", err.Token)
		}
	})
}

func TestMaxAge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, &http2.ServerConfig{MaxAge: time.Minute, MaxAgeGrace: 10 * time.Second}, echoHandler{})
		p.request(1, false)
		elapse(53 * time.Second)
		p.wantIdle("younger than nine tenths of the age")
		elapse(13 * time.Second)
		p.want("the age is reached", "GOAWAY * last=2147483647 NO_ERROR*")
		p.want("ping", "PING *")
		p.write(frame.AppendPing(nil, true, [8]byte{'d', 'r', 'a', 'i', 'n'}))
		p.want("final", "GOAWAY * last=1 NO_ERROR*")
		elapse(11 * time.Second)
		p.want("the grace is over", "GOAWAY * last=1 NO_ERROR*")
		p.wantClosed("with a stream open")
		<-srv.Done()
		if err := srv.Err(); err.Token != "max_age" {
			t.Errorf("token %q, want max_age", err.Token)
		}
	})
}

func TestMaxIdle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, &http2.ServerConfig{MaxIdle: time.Minute}, echoHandler{})
		elapse(50 * time.Second)
		p.request(1, true)
		p.want("head", "HEADERS *")
		p.want("trailers", "HEADERS stream=1 END_STREAM*")
		elapse(50 * time.Second)
		p.wantIdle("idle for 50 seconds only")
		elapse(11 * time.Second)
		p.want("idle for a minute", "GOAWAY * last=2147483647 NO_ERROR*")
		p.want("ping", "PING *")
		p.write(frame.AppendPing(nil, true, [8]byte{'d', 'r', 'a', 'i', 'n'}))
		p.want("final", "GOAWAY *")
		p.want("farewell", "GOAWAY *")
		p.wantClosed("idle")
		<-srv.Done()
		if err := srv.Err(); err.Token != "max_idle" {
			t.Errorf("token %q, want max_idle", err.Token)
		}
	})
}

func TestWriteStall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, nil, echoHandler{})
		p.windowUpdate(0, 1<<30)
		p.settings(frame.Setting{ID: frame.SettingInitialWindowSize, Value: 1 << 30})
		p.want("ack", "SETTINGS len=0 ACK")
		body := make([]byte, 16<<10)
		p.request(1, false)
		for range 400 { // 6.25 MiB: more than the pipe holds
			p.data(1, false, string(body))
		}
		p.data(1, true, "")
		elapse(29 * time.Second)
		select {
		case <-srv.Done():
			t.Fatalf("gave up after 29 seconds: %v", srv.Err())
		default:
		}
		elapse(5 * time.Second)
		<-srv.Done()
		if err := srv.Err(); err.Token != "write_stall" {
			t.Errorf("token %q (%v), want write_stall", err.Token, err)
		}
	})
}

// A peer that reads a little every 20 seconds does not stall, however much waits; one that then
// stops does.
func TestSlowReaderDoesNotStall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, srv := dialServer(t, nil, echoHandler{})
		p.windowUpdate(0, 1<<30)
		p.settings(frame.Setting{ID: frame.SettingInitialWindowSize, Value: 1 << 30})
		p.want("ack", "SETTINGS len=0 ACK")
		body := make([]byte, 16<<10)
		p.request(1, false)
		for range 400 { // 6.25 MiB: more than the pipe holds
			p.data(1, false, string(body))
		}
		p.data(1, true, "")
		for range 30 {
			elapse(20 * time.Second)
			select {
			case <-srv.Done():
				t.Fatalf("gave up on a reader that is slow: %v", srv.Err())
			default:
			}
			if _, err := io.ReadFull(p.nc, make([]byte, 4<<10)); err != nil {
				t.Fatal(err)
			}
		}
		elapse(2 * time.Minute)
		<-srv.Done()
		if err := srv.Err(); err.Token != "write_stall" {
			t.Errorf("token %q (%v), want write_stall", err.Token, err)
		}
	})
}

func TestZeroWindowAfterTheHandler(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _ := dialServer(t, nil, echoHandler{})
		p.settings(frame.Setting{ID: frame.SettingInitialWindowSize, Value: 4})
		p.want("ack", "SETTINGS len=0 ACK")
		p.request(1, false)
		p.data(1, true, "0123456789")
		p.want("head", "HEADERS stream=1 *")
		p.want("what the window takes", `DATA stream=1 len=4 "0123"`)
		elapse(59 * time.Second)
		p.wantIdle("the client has a minute")
		p.windowUpdate(1, 2)
		p.want("progress", `DATA stream=1 len=2 "45"`)
		elapse(59 * time.Second)
		p.wantIdle("progress starts a new minute")
		elapse(61 * time.Second)
		p.want("no window for a minute", "RST_STREAM stream=1 len=4 FLOW_CONTROL_ERROR")
	})
}
