package hostile

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/held"
)

// A trap is a hostile server: what it does to a client once the first request has come.
type trap struct {
	name   string
	attack func(p *peer)
	// code and says are how the call that was caught ends: with this status, and a text that holds
	// one of these ("a|b").
	code codes.Code
	says string
}

func respond(more ...string) []byte {
	return append(block(":status", "200", "content-type", "application/grpc"), block(more...)...)
}

var traps = []trap{
	{"not HTTP/2 at all", func(p *peer) { p.out = append(p.out[:0], "HTTP/1.1 400 Bad Request\r\n\r\n"...); p.hold() }, codes.Unavailable, ""},
	{"CONTINUATION without end", func(p *peer) {
		p.raw(frame.TypeHeaders, 0, 1, respond())
		p.repeat(func() { p.raw(frame.TypeContinuation, 0, 1, field(nil, "x", "y")) })
	}, codes.Unavailable, "Limits.Continuations"},
	{"a header bomb", func(p *peer) {
		b := append(respond(), 0x40, 1, 'a', 0)
		b = append(b, []byte(strings.Repeat("\xbe", 16000))...)
		p.repeat(func() { p.headers(1, false, b) })
	}, codes.Unavailable, "header list"},
	{"a long header list", func(p *peer) {
		p.headers(1, false, respond("x-long", strings.Repeat("v", 20<<10)))
		p.hold()
	}, codes.ResourceExhausted, "Limits.MaxHeaderListSize"},
	{"SETTINGS", func(p *peer) { p.repeat(func() { p.out = frame.AppendSettings(p.out, false) }) }, codes.Unavailable, "Limits.Settings"},
	{"PING", func(p *peer) { p.repeat(func() { p.out = frame.AppendPing(p.out, false, [8]byte{}) }) }, codes.Unavailable, "Limits.Pings|too_many_pings"},
	{"unknown frames", func(p *peer) { p.repeat(func() { p.raw(0x7f, 0, 0, nil) }) }, codes.Unavailable, "Limits.OddFrames"},
	{"empty DATA", func(p *peer) {
		p.headers(1, false, respond())
		p.repeat(func() { p.data(1, false, nil) })
	}, codes.Unavailable, "Limits.OddFrames"},
	{"WINDOW_UPDATE that overflows", func(p *peer) { p.window(0, 1<<31-1); p.hold() }, codes.Unavailable, "2^31-1"},
	{"PUSH_PROMISE", func(p *peer) {
		p.out = frame.AppendPushPromise(p.out, 1, 2, true, head(unary))
		p.hold()
	}, codes.Unavailable, "PUSH_PROMISE"},
	{"a message beyond the limit", func(p *peer) {
		p.headers(1, false, respond())
		p.data(1, false, prefixed(0, 1<<31, nil))
		p.hold()
	}, codes.ResourceExhausted, "Limits.MaxReceiveMessageSize"},
	{"a decompression bomb", func(p *peer) {
		p.headers(1, false, respond("grpc-encoding", "gzip"))
		b := gzipBomb()
		p.trickle(1, prefixed(1, len(b), b))
		p.headers(1, true, block("grpc-status", "0"))
		p.hold()
	}, codes.ResourceExhausted, "Limits.MaxReceiveMessageSize"},
	{"compressed without grpc-encoding", func(p *peer) {
		p.headers(1, false, respond())
		p.data(1, false, prefixed(1, 3, []byte("abc")))
		p.headers(1, true, block("grpc-status", "0"))
		p.hold()
	}, codes.Internal, "grpc-encoding"},
	{"more data than the window", func(p *peer) {
		p.headers(1, false, respond())
		b := make([]byte, 1<<14)
		p.repeat(func() { p.data(1, false, b) })
	}, codes.Internal, ""},
	{"DATA before HEADERS", func(p *peer) { p.data(1, false, []byte("x")); p.hold() }, codes.Internal, "DATA before"},
	{"no grpc-status", func(p *peer) {
		p.headers(1, false, respond())
		p.headers(1, true, block("x", "y"))
		p.hold()
	}, codes.Unknown, "grpc-status"},
	{"GOAWAY with long debug data", func(p *peer) {
		p.out = frame.AppendGoAway(p.out, 1, frame.EnhanceYourCalm, strings.Repeat("noise ", 2000))
		p.send()
		p.headers(1, true, block(":status", "200", "content-type", "application/grpc", "grpc-status", "8", "grpc-message", "calm"))
		p.hold()
	}, codes.ResourceExhausted, "calm"},
	{"a stream of interim responses", func(p *peer) {
		b := block(":status", "103")
		p.repeat(func() { p.headers(1, false, b) })
	}, codes.Unavailable, "Limits.OddFrames"},
	{"resets without end", func(p *peer) {
		p.repeat(func() { p.out = frame.AppendRSTStream(p.out, 1, frame.InternalError) })
	}, codes.Internal, ""},
	{"a peer that falls silent", func(p *peer) { p.hold() }, codes.DeadlineExceeded, "no response received"},
	// They stay within the window, and are looked at when the response ends.
	{"messages nobody asked for", func(p *peer) {
		p.headers(1, false, respond())
		m := message(&benchpb.Message{Id: 1})
		p.trickle(1, []byte(strings.Repeat(string(m), 200_000)))
		p.hold()
	}, codes.DeadlineExceeded, ""},
}

func TestHostileServers(t *testing.T) {
	gzipBomb() // takes a while to make
	for _, tr := range traps {
		t.Run(tr.name, func(t *testing.T) { catch(t, &tr) })
	}
}

// catch lets a client call a hostile server and looks at how the call ends and what it cost.
func catch(t *testing.T, tr *trap) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		serveTrap(lis, tr, stop, &wg)
	}()
	defer wg.Wait()
	defer lis.Close()
	defer close(stop)
	c, err := naru.NewClient(lis.Addr().String(), naru.WithPlaintext(), naru.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	runtime.GC()
	live := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(live)
	before := live[0].Value.Uint64()
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err = benchpbnaru.NewEchoClient(c).Unary(ctx, &benchpb.Message{Message: "hello"})
	if status.Code(err) != tr.code {
		t.Errorf("the call ended with %v, want %v", err, tr.code)
	}
	found := false
	for _, s := range strings.Split(tr.says, "|") {
		found = found || strings.Contains(status.Convert(err).Message(), s)
	}
	if !found {
		t.Errorf("the call ended with %q, want it to say %q", err, tr.says)
	}
	if n := len(status.Convert(err).Message()); n > 2000 {
		t.Errorf("the status has %d bytes: the peer's text is not cut", n)
	}
	runtime.GC()
	metrics.Read(live)
	// A client has no limit of its own for what it asked for: a response's window and the message
	// limit bound it.
	most := terms.Memory(held.Peers{Conns: 1, Streams: 1, Sent: terms.Message})
	if grown := int64(live[0].Value.Uint64()) - int64(before); grown > most {
		t.Errorf("heap grew by %d MB, want less than %d", grown>>20, most>>20)
	}
}

// serveTrap accepts connections, reads the preface and the first request of each, and attacks.
func serveTrap(lis net.Listener, tr *trap, stop chan struct{}, wg *sync.WaitGroup) {
	for {
		nc, err := lis.Accept()
		if err != nil {
			return
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := &peer{nc: nc, stop: stop, nextID: 1, credit: newCredit()}
			p.credit.serves = true
			defer p.close()
			if _, err := io.ReadFull(nc, make([]byte, len(h2.Preface))); err != nil {
				return
			}
			p.out = frame.AppendSettings(p.out, true)
			p.out = append(frame.AppendSettings(nil, false), p.out...)
			if err := p.awaitRequest(); err != nil {
				return
			}
			p.read()
			tr.attack(p)
		}()
	}
}

// awaitRequest answers the client's SETTINGS and reads up to the end of its first request.
func (p *peer) awaitRequest() error {
	p.send()
	_ = p.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	defer p.nc.SetReadDeadline(time.Time{})
	var hdr [frame.HeaderLen]byte
	for {
		if _, err := io.ReadFull(p.nc, hdr[:]); err != nil {
			return err
		}
		h := frame.ParseHeader(hdr[:])
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(p.nc, payload); err != nil {
			return err
		}
		p.credit.frame(h, payload)
		if h.Type == frame.TypeData && h.Flags.Has(frame.FlagEndStream) {
			return nil
		}
		if h.Type == frame.TypeGoAway {
			return errors.New("the client went away")
		}
	}
}
