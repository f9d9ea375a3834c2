package http2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// A peer is the scripted other end of a connection, inside a synctest bubble: tests say what
// it sends and, each with a reason, what must come back. Frames are compared by their
// one-line summary; header sections are decoded.
type peer struct {
	t    *testing.T
	nc   *memnet.Conn
	enc  *hpack.Encoder
	dec  *hpack.Decoder
	rest []byte
}

// pipeBytes is how much either direction of the connection holds.
const pipeBytes = 1 << 20

func newPeer(t *testing.T, nc *memnet.Conn) *peer {
	return &peer{t: t, nc: nc, enc: hpack.NewEncoder(4096), dec: hpack.NewDecoder(4096)}
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// elapse lets virtual time pass.
func elapse(d time.Duration) { time.Sleep(d) }

// dialServer starts a server connection and returns the client that talks to it, past the
// exchange of prefaces.
func dialServer(t *testing.T, cfg *http2.ServerConfig, h transport.ServerHandler) (*peer, *http2.ServerConn) {
	t.Helper()
	p, srv := dialServerRaw(t, cfg, h)
	p.write([]byte(h2.Preface))
	p.settings()
	p.want("the server's preface", "SETTINGS len=18 MAX_CONCURRENT_STREAMS=*")
	p.want("the connection's window opens", "WINDOW_UPDATE len=4 +*")
	p.want("our SETTINGS are acknowledged", "SETTINGS len=0 ACK")
	p.write(frame.AppendSettings(nil, true))
	return p, srv
}

// dialServerRaw is dialServer without a word said.
func dialServerRaw(t *testing.T, cfg *http2.ServerConfig, h transport.ServerHandler) (*peer, *http2.ServerConn) {
	t.Helper()
	if cfg == nil {
		cfg = &http2.ServerConfig{}
	}
	client, server := memnet.Pipe(pipeBytes)
	srv := http2.ServeConn(server, cfg, h)
	t.Cleanup(func() {
		client.Close()
		srv.Close(nil)
		<-srv.Done()
	})
	return newPeer(t, client), srv
}

// acceptClient starts a client connection and returns the server that talks to it, past the
// exchange of prefaces. settings are the server's.
func acceptClient(t *testing.T, cfg *http2.ClientConfig, settings ...frame.Setting) (*peer, *http2.ClientConn) {
	t.Helper()
	if cfg == nil {
		cfg = &http2.ClientConfig{}
	}
	client, server := memnet.Pipe(pipeBytes)
	p := newPeer(t, server)
	type result struct {
		c   *http2.ClientConn
		err error
	}
	got := make(chan result, 1)
	go func() {
		c, err := http2.NewClientConn(context.Background(), client, cfg)
		got <- result{c, err}
	}()
	p.wantBytes("the client's preface", h2.Preface)
	p.want("the client's settings", "SETTINGS len=18 ENABLE_PUSH=0*")
	p.want("the connection's window opens", "WINDOW_UPDATE len=4 +*")
	p.settings(settings...)
	p.want("our SETTINGS are acknowledged", "SETTINGS len=0 ACK")
	r := <-got
	if r.err != nil {
		t.Fatalf("NewClientConn: %v", r.err)
	}
	t.Cleanup(func() {
		server.Close()
		r.c.Close(nil)
		<-r.c.Done()
	})
	return p, r.c
}

// write sends bytes as they are.
func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) && !isReset(err) {
		p.t.Fatalf("peer's write: %v", err)
	}
}

func isReset(err error) bool {
	return strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken")
}

func (p *peer) settings(s ...frame.Setting) {
	p.t.Helper()
	p.write(frame.AppendSettings(nil, false, s...))
}

// block encodes a header section from names and values.
func (p *peer) block(kv ...string) []byte {
	b := p.enc.BeginBlock(nil)
	for i := 0; i < len(kv); i += 2 {
		b = p.enc.AppendField(b, hpack.Field{Name: kv[i], Value: kv[i+1]}, true)
	}
	return b
}

func (p *peer) headers(id uint32, end bool, kv ...string) {
	p.t.Helper()
	p.write(frame.AppendHeaders(nil, id, end, frame.MinMaxFrameSize, p.block(kv...)))
}

// request opens stream id with an ordinary gRPC head and more fields.
func (p *peer) request(id uint32, end bool, more ...string) {
	p.t.Helper()
	p.headers(id, end, append([]string{":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "test"}, more...)...)
}

func (p *peer) data(id uint32, end bool, body string) {
	p.t.Helper()
	p.write(frame.AppendData(nil, id, end, []byte(body)))
}

func (p *peer) reset(id uint32, code frame.ErrCode) {
	p.t.Helper()
	p.write(frame.AppendRSTStream(nil, id, code))
}

func (p *peer) windowUpdate(id, n uint32) {
	p.t.Helper()
	p.write(frame.AppendWindowUpdate(nil, id, n))
}

// next returns the next frame's summary, "" if nothing comes while everything is at rest, and
// "closed" at the end of the connection.
func (p *peer) next() string {
	p.t.Helper()
	for {
		if s, ok := p.cut(); ok {
			return s
		}
		synctest.Wait()
		var buf [64 << 10]byte
		p.nc.SetReadDeadline(time.Now().Add(1)) // only what is there
		n, err := p.nc.Read(buf[:])
		p.nc.SetReadDeadline(time.Time{})
		p.rest = append(p.rest, buf[:n]...)
		if n > 0 {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ""
		}
		return "closed"
	}
}

// cut takes a whole frame off what was read.
func (p *peer) cut() (string, bool) {
	if len(p.rest) < frame.HeaderLen {
		return "", false
	}
	h := frame.ParseHeader(p.rest)
	total := frame.HeaderLen + int(h.Length)
	if len(p.rest) < total {
		return "", false
	}
	payload := p.rest[frame.HeaderLen:total]
	s := frame.Summary(h, payload)
	switch h.Type {
	case frame.TypeHeaders:
		fields, _, err := p.dec.Decode(nil, payload, &hpack.DefaultLimits)
		if err != nil {
			p.t.Fatalf("decoding the header block of %s: %v", s, err)
		}
		s = fmt.Sprintf("HEADERS stream=%d", h.StreamID)
		if h.Flags.Has(frame.FlagEndStream) {
			s += " END_STREAM"
		}
		for _, f := range fields {
			s += " " + f.Name + "=" + f.Value
		}
	case frame.TypeData:
		if len(payload) <= 40 {
			s += fmt.Sprintf(" %q", payload)
		}
	}
	p.rest = p.rest[total:]
	return s, true
}

// want fails unless the next frame's summary matches the pattern, in which * stands for
// anything.
func (p *peer) want(why, pattern string) {
	p.t.Helper()
	if got := p.next(); !match(pattern, got) {
		p.t.Fatalf("%s:\n got  %q\n want %q", why, got, pattern)
	}
}

// wantIdle fails if anything comes.
func (p *peer) wantIdle(why string) {
	p.t.Helper()
	if got := p.next(); got != "" {
		p.t.Fatalf("%s:\n got  %q\n want nothing", why, got)
	}
}

// wantGoAway expects GOAWAY with a code and then the end of the connection.
func (p *peer) wantGoAway(why string, code frame.ErrCode) {
	p.t.Helper()
	p.want(why, "GOAWAY * "+code.String()+"*")
	p.wantClosed(why)
}

// wantClosed expects the end of the connection.
func (p *peer) wantClosed(why string) {
	p.t.Helper()
	if got := p.next(); got != "closed" {
		p.t.Fatalf("%s: got %q, want the connection closed", why, got)
	}
}

// wantBytes expects bytes that are no frames.
func (p *peer) wantBytes(why, want string) {
	p.t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(p.nc, buf); err != nil || string(buf) != want {
		p.t.Fatalf("%s: got %q, %v, want %q", why, buf, err, want)
	}
}

// match compares s with a pattern of literal parts between stars.
func match(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return s == pattern
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
