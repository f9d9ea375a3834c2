package http2_test

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// nghttpPeer sends as peers on nghttp2 and nginx do: within its windows, and the end of the data
// only while the stream's window is above 0.
type nghttpPeer struct {
	*peer
	first   int64            // window of new streams
	windows map[uint32]int64 // 0: the connection's
}

// resize applies SETTINGS_INITIAL_WINDOW_SIZE to the open streams (RFC 9113 §6.9.2), and
// acknowledges it.
func (p *nghttpPeer) resize(size string) {
	p.t.Helper()
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	for id := range p.windows {
		if id != 0 {
			p.windows[id] += n - p.first
		}
	}
	p.first = n
	p.write(frame.AppendSettings(nil, true))
}

// take reads what the server has announced.
func (p *nghttpPeer) take() {
	p.t.Helper()
	for f := p.next(); f != ""; f = p.next() {
		if size, ok := strings.CutPrefix(f, "SETTINGS len=6 INITIAL_WINDOW_SIZE="); ok {
			p.resize(size)
			continue
		}
		var id uint32
		rest, ok := strings.CutPrefix(f, "WINDOW_UPDATE ")
		if !ok {
			p.t.Fatalf("got %s while sending", f)
		}
		if s, more, found := strings.Cut(strings.TrimPrefix(rest, "stream="), " "); strings.HasPrefix(rest, "stream=") && found {
			n, err := strconv.Atoi(s)
			if err != nil {
				p.t.Fatal(err)
			}
			id, rest = uint32(n), more
		}
		_, inc, _ := strings.Cut(rest, "+")
		n, err := strconv.ParseInt(inc, 10, 64)
		if err != nil {
			p.t.Fatalf("%s: %v", f, err)
		}
		p.windows[id] += n
	}
}

// send sends n bytes on a stream. It returns how many the windows did not let through.
func (p *nghttpPeer) send(id uint32, n int) int {
	p.t.Helper()
	for n > 0 {
		p.take()
		k := int(min(int64(n), 1<<14, p.windows[id], p.windows[0]))
		if k <= 0 {
			return n
		}
		p.data(id, false, strings.Repeat("x", k))
		p.windows[id] -= int64(k)
		p.windows[0] -= int64(k)
		n -= k
	}
	p.take()
	return 0
}

// wanter is a program that says of each message, of size bytes, what it lacks, and takes it when
// the peer's half has ended.
type wanter struct {
	size   int
	stream transport.ServerStream
	got    int
	ended  chan struct{} // closed when Closed was called, if not nil
	stack  string
}

func (w *wanter) Stream(s transport.ServerStream, _ *transport.RequestHead, _ bool) transport.Sink {
	n := *w
	n.stream = s
	return &n
}

func (w *wanter) Data(p []byte, end bool) {
	first := w.got == 0
	w.got += len(p)
	if first && w.got < w.size {
		w.stream.Want(0, int64(w.size))
	}
	if end {
		w.stream.Consumed(w.got)
		_ = w.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}, End: true})
	}
}

func (w *wanter) Trailers([]transport.Field) { w.Data(nil, true) }

func (w *wanter) Closed(*transport.Error) {
	w.stack = string(debug.Stack())
	w.stream.Consumed(w.got)
	if w.ended != nil {
		close(w.ended)
	}
}

// TestRFC9113_6_9_1_WindowIsLeftOver: half of the field sends the end of its data only while the
// window is above 0, although "a frame with zero length and the END_STREAM flag set MAY be sent if
// there is no available space in either flow-control window". So there has to be some.
func TestRFC9113_6_9_1_WindowIsLeftOver(t *testing.T) {
	for _, first := range []int{80 << 10, 1 << 20} {
		for _, size := range []int{1, 1 << 14, 64 << 10, 65<<10 - 13, 65 << 10, 65<<10 + 1, 66_547, 80<<10 - 1, 80 << 10, 80<<10 + 1, 100_000, 1<<20 - 1, 1 << 20, 1<<20 + 1, 4 << 20} {
			for _, streams := range []int{1, 20} {
				t.Run(fmt.Sprintf("%d in %dx%d", size, first, streams), func(t *testing.T) {
					inBubble(t, func(t *testing.T) { windowIsLeftOver(t, first, size, streams) })
				})
			}
		}
	}
}

func windowIsLeftOver(t *testing.T, first, size, streams int) {
	cfg := &http2.ServerConfig{}
	if first == 80<<10 {
		cfg.Limits.StreamWindow = 80 << 10 // else the default, which becomes as small when the connection holds 8 MiB
	}
	raw, _ := dialServer(t, cfg, &wanter{size: size})
	p := &nghttpPeer{raw, int64(first), map[uint32]int64{0: 1 << 30}}
	last := uint32(streams)
	if size == 4<<20 {
		last = min(last, 7) // no more are let through before one is complete and taken
	}
	for id := uint32(1); id <= 2*last; id += 2 {
		p.windows[id] = p.first
		p.request(id, false)
		if left := p.send(id, size); left > 0 {
			t.Fatalf("stream %d: %d of %d bytes do not fit its window", id, left, size)
		}
		elapse(300 * time.Millisecond)
		p.take()
		for open := uint32(1); open <= id; open += 2 {
			if p.windows[open] <= 0 || p.windows[0] <= 0 {
				t.Fatalf("stream %d of %d: its window is %d, the connection's %d: the end is never sent", open, id, p.windows[open], p.windows[0])
			}
		}
	}
	if small := p.first == 80<<10; small != (first == 80<<10 || streams*size > 10<<20 && size < 2<<20) {
		t.Errorf("the first window is %d in the end", p.first)
	}
	for id := uint32(1); id <= 2*last; id += 2 {
		p.data(id, true, "")
		p.want("the response", "HEADERS stream="+strconv.Itoa(int(id))+" END_STREAM :status=200")
	}
}

// TestFirstWindowsAreBounded: a peer that does not acknowledge the smaller first window, and uses
// the larger one of every stream, makes the connection hold no more than the smaller windows and
// four times ReceiveMemory. The slowest streams end.
func TestFirstWindowsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const memory, streams = 1 << 20, 16
		var (
			mu     sync.Mutex
			counts = map[string]int{}
		)
		cfg := &http2.ServerConfig{
			Limits: http2.Limits{ReceiveMemory: memory, Streams: streams},
			Count: func(_ *transport.ConnInfo, e *transport.Error) {
				mu.Lock()
				defer mu.Unlock()
				counts[string(e.Token)]++
			},
		}
		raw, _ := dialServer(t, cfg, &wanter{size: 1 << 20})
		var ended []string
		for id := uint32(1); id < 2*streams; id += 2 {
			raw.request(id, false)
			for range 60 {
				raw.data(id, false, strings.Repeat("x", 16_000))
			}
			elapse(10 * time.Millisecond)
			if held := cfg.Held(); held > streams*80<<10+4*memory {
				t.Fatalf("after stream %d: %d bytes are held", id, held)
			}
			for f := raw.next(); f != ""; f = raw.next() {
				if strings.HasPrefix(f, "RST_STREAM") {
					ended = append(ended, f)
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if len(ended) == 0 || counts["connection_memory"] == 0 {
			t.Errorf("ended: %q, counted: %v", ended, counts)
		}
	})
}

// TestServerMemory: the limit is exceeded by what two connections have sent. The stream that has
// sent least in its time ends, told on its connection's read loop; others are left alone.
func TestServerMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var (
			mu     sync.Mutex
			counts []string
		)
		cfg := &http2.ServerConfig{
			Limits: http2.Limits{ServerMemory: 100_000, StreamWindow: 80 << 10},
			Count: func(_ *transport.ConnInfo, e *transport.Error) {
				mu.Lock()
				defer mu.Unlock()
				counts = append(counts, string(e.Token))
			},
		}
		slow := &sinkOf{wanter: wanter{size: 200_000, ended: make(chan struct{})}}
		first, _ := dialServer(t, cfg, slow)
		second, _ := dialServer(t, cfg, &wanter{size: 200_000})
		first.request(1, false)
		for range 4 {
			first.data(1, false, strings.Repeat("x", 10_000))
		}
		first.want("window for its message", "WINDOW_UPDATE stream=1 *")
		elapse(10 * time.Second)
		second.request(1, false)
		for range 5 {
			second.data(1, false, strings.Repeat("x", 10_000))
		}
		second.want("window for its message", "WINDOW_UPDATE stream=1 *")
		elapse(10 * time.Millisecond)
		first.wantIdle("there is enough for both")
		second.data(1, false, strings.Repeat("x", 16_000))
		first.want("the slow one ends", "RST_STREAM stream=1 len=4 ENHANCE_YOUR_CALM")
		<-slow.ended
		if !strings.Contains(slow.stack, "readLoop") {
			t.Errorf("the sink was told on another goroutine than its read loop:\n%s", slow.stack)
		}
		second.wantIdle("the other goes on")
		mu.Lock()
		if len(counts) != 1 || counts[0] != "server_memory" {
			t.Errorf("counted %v, want server_memory", counts)
		}
		mu.Unlock()
		first.request(3, false)
		first.data(3, true, "ok")
		first.want("the connection is fit for other calls", "HEADERS stream=3 END_STREAM :status=200")
	})
}

// sinkOf is a wanter whose one stream's end can be looked at.
type sinkOf struct{ wanter }

func (s *sinkOf) Stream(st transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	if st.ID() > 1 {
		return s.wanter.Stream(st, head, end)
	}
	s.stream = st
	return &s.wanter
}

// TestResponseDeadline: a complete response that waits for window is dropped when its call's
// deadline has passed, and not charged.
func TestResponseDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, _ := dialServer(t, nil, handlerFunc(func(s transport.ServerStream) {
			out := &transport.Out{Head: &transport.ResponseHead{Status: 200}, Body: bufOf(strings.Repeat("x", 100)), End: true}
			if s.ID() == 1 {
				out.Deadline = time.Now().Add(3 * time.Second)
			}
			_ = s.Send(out)
		}))
		p.settings(frame.Setting{ID: frame.SettingInitialWindowSize, Value: 0})
		p.want("acknowledged", "SETTINGS len=0 ACK")
		p.request(1, true)
		p.want("the head", "HEADERS stream=1 :status=200")
		p.request(3, true)
		p.want("the head", "HEADERS stream=3 :status=200")
		elapse(2900 * time.Millisecond)
		p.wantIdle("it may still be taken")
		elapse(200 * time.Millisecond)
		p.want("its deadline has passed", "RST_STREAM stream=1 len=4 CANCEL")
		elapse(56 * time.Second)
		p.wantIdle("the other has none")
		elapse(time.Second)
		p.want("a minute without window", "RST_STREAM stream=3 len=4 FLOW_CONTROL_ERROR")
	})
}

// handlerFunc answers each stream when its head comes.
type handlerFunc func(s transport.ServerStream)

func (f handlerFunc) Stream(s transport.ServerStream, _ *transport.RequestHead, _ bool) transport.Sink {
	f(s)
	return &echoSink{s: s}
}

func bufOf(s string) *mem.Buf {
	b := mem.Get(len(s))
	b.B = append(b.B, s...)
	return b
}

// TestLostConnectionsHoldNothing: what a server counts as held goes with the connection, whatever
// was on its way: messages that are not complete, complete ones that nobody takes, and responses
// that wait for window. Else lost connections would use up Limits.ServerMemory.
func TestLostConnectionsHoldNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := &http2.ServerConfig{}
		for name, handler := range map[string]transport.ServerHandler{
			"a message that is not complete": &wanter{size: 100_000}, "one that nobody takes": &wanter{size: 1}, "a response": echoHandler{},
		} {
			for range 3 {
				p, srv := dialServer(t, cfg, handler)
				p.request(1, false)
				for range 5 {
					p.data(1, false, strings.Repeat("x", 16_000))
				}
				if name == "a response" {
					p.settings(frame.Setting{ID: frame.SettingInitialWindowSize, Value: 0})
					p.data(1, true, "")
				}
				elapse(time.Second)
				if cfg.Held() < 64_000 {
					t.Fatalf("%s: the server holds %d bytes: not the case wanted", name, cfg.Held())
				}
				p.nc.Close()
				<-srv.Done()
				if n := cfg.Held(); n != 0 {
					t.Errorf("%s: %d bytes are held for a connection that is lost", name, n)
				}
			}
		}
	})
}
