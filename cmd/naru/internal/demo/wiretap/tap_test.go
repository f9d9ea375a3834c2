package wiretap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// trace writes events the way the tests compare them.
func trace(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		arrow := "-->"
		if e.Direction == ToClient {
			arrow = "<--"
		}
		fmt.Fprintf(&b, "%d %s %s", e.Conn, arrow, e.Text)
		for _, f := range e.Fields {
			fmt.Fprintf(&b, " [%s %s]", f.Name, f.Value)
		}
		for _, m := range e.Messages {
			fmt.Fprintf(&b, " (message %d compressed=%v)", m.Size, m.Compressed)
		}
		fmt.Fprintf(&b, " size=%d frame=%v ends=%v\n", e.Size, e.Frame(), e.Ends())
	}
	return b.String()
}

func block(enc *hpack.Encoder, fields ...string) []byte {
	b := enc.BeginBlock(nil)
	for i := 0; i < len(fields); i += 2 {
		b = enc.AppendField(b, hpack.Field{Name: fields[i], Value: fields[i+1]}, true)
	}
	return b
}

func message(compressed byte, n int) []byte {
	return append([]byte{compressed, 0, 0, byte(n >> 8), byte(n)}, make([]byte, n)...)
}

// request is a client's side of a call, with a message cut in the middle of its prefix, a field
// section in three frames, and padding.
func request() []byte {
	enc := hpack.NewEncoder(4096)
	b := []byte(h2.Preface)
	b = frame.AppendSettings(b, false, frame.Setting{ID: frame.SettingMaxConcurrentStreams, Value: 7})
	blk := block(enc, ":path", "/a.B/c", "te", "trailers")
	b = frame.AppendHeader(b, frame.Header{Length: 2, Type: frame.TypeHeaders, StreamID: 1})
	b = append(b, blk[:2]...)
	b = frame.AppendContinuation(b, 1, false, blk[2:3])
	b = frame.AppendContinuation(b, 1, true, blk[3:])
	data := append(message(0, 3), message(1, 300)...)
	data = append(data, message(0, 0)...)
	b = frame.AppendData(b, 1, false, data[:2])
	b = frame.AppendData(b, 1, false, data[2:200])
	b = frame.AppendData(b, 1, true, data[200:])
	// The second section of the connection refers to the first one's table entries.
	b = frame.AppendHeaders(b, 3, true, 1<<14, block(enc, ":path", "/a.B/c"))
	return frame.AppendRSTStream(b, 3, frame.Cancel)
}

const wantRequest = `1 --> connection preface size=24 frame=false ends=false
1 --> SETTINGS len=6 MAX_CONCURRENT_STREAMS=7 size=15 frame=true ends=false
1 --> HEADERS stream=1 len=LEN END_HEADERS [:path /a.B/c] [te trailers] size=SIZE frame=true ends=false
1 --> DATA stream=1 len=2 size=11 frame=true ends=false
1 --> DATA stream=1 len=198 (message 3 compressed=false) size=207 frame=true ends=false
1 --> DATA stream=1 len=118 END_STREAM (message 300 compressed=true) (message 0 compressed=false) size=127 frame=true ends=true
1 --> HEADERS stream=3 len=1 END_STREAM END_HEADERS [:path /a.B/c] size=10 frame=true ends=true
1 --> RST_STREAM stream=3 len=4 CANCEL size=13 frame=true ends=true
`

func TestDecodeHoweverItIsCut(t *testing.T) {
	in := request()
	enc := hpack.NewEncoder(4096)
	n := len(block(enc, ":path", "/a.B/c", "te", "trailers"))
	want := strings.NewReplacer("LEN", fmt.Sprint(n), "SIZE", fmt.Sprint(n+3*frame.HeaderLen)).Replace(wantRequest)
	for _, step := range []int{1, 2, 3, 7, 9, 100, len(in)} {
		var tap Tap
		d := newDecoder(1, ToServer, tap.addLocked)
		for b := in; len(b) > 0; b = b[min(step, len(b)):] {
			d.write(b[:min(step, len(b))])
		}
		if got := trace(tap.Since(0)); got != want {
			t.Errorf("in pieces of %d bytes:\n%s\nwant:\n%s", step, got, want)
		}
		if len(d.streams) != 0 || len(d.buf) != 0 {
			t.Errorf("in pieces of %d bytes: %d streams and %d bytes are kept after all ended", step, len(d.streams), len(d.buf))
		}
	}
}

func TestGarbageIsReportedOnce(t *testing.T) {
	for name, in := range map[string][]byte{
		"no preface":       []byte("GET / HTTP/1.1\r\n\r\n"),
		"TLS":              {0x16, 3, 1, 2, 0, 1, 0},
		"settings on 1":    frame.AppendHeader([]byte(h2.Preface), frame.Header{Type: frame.TypeSettings, StreamID: 1}),
		"bad padding":      append(frame.AppendHeader([]byte(h2.Preface), frame.Header{Length: 1, Type: frame.TypeData, Flags: frame.FlagPadded, StreamID: 1}), 9),
		"bad header block": frame.AppendHeaders([]byte(h2.Preface), 1, true, 1<<14, []byte{0x80}),
		"bad priority":     append(frame.AppendHeader([]byte(h2.Preface), frame.Header{Length: 5, Type: frame.TypeHeaders, Flags: frame.FlagPriority | frame.FlagEndHeaders, StreamID: 1}), 0, 0, 0, 1, 0),
	} {
		var tap Tap
		d := newDecoder(1, ToServer, tap.addLocked)
		d.write(in)
		d.write(request())
		events := tap.Since(0)
		if last := events[len(events)-1]; !strings.HasPrefix(last.Text, "not decoded from here on: ") || last.Frame() {
			t.Errorf("%s: last event is %q, want one that says so", name, last.Text)
		}
		if n := strings.Count(trace(events), "not decoded"); n != 1 {
			t.Errorf("%s: said %d times, want once", name, n)
		}
	}
}

// TestConn sends both ways through a tapped connection: bytes arrive unchanged, and are seen in
// order.
func TestConn(t *testing.T) {
	client, server := net.Pipe()
	var tap Tap
	tapped := tap.Client(client)
	answer := frame.AppendSettings(nil, false)
	got := make(chan []byte, 1) // the one request
	go func() {
		in := make([]byte, len(request()))
		if _, err := io.ReadFull(server, in); err != nil {
			t.Error(err)
		}
		got <- in
		if _, err := server.Write(answer); err != nil {
			t.Error(err)
		}
		server.Close()
	}()
	if n, err := tapped.Write(request()); n != len(request()) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	if in := <-got; !bytes.Equal(in, request()) {
		t.Error("what arrived is not what was sent")
	}
	if back, err := io.ReadAll(tapped); err != nil || !bytes.Equal(back, answer) {
		t.Errorf("read %x, %v, want %x", back, err, answer)
	}
	tapped.Close()
	events := tap.Since(0)
	if last := events[len(events)-1]; last.Direction != ToClient || last.Text != "SETTINGS len=0" {
		t.Errorf("last event %+v, want the server's SETTINGS", last)
	}
	if tap.Conns() != 1 || tap.Mark() != len(events) {
		t.Errorf("%d connections and mark %d, want 1 and %d", tap.Conns(), tap.Mark(), len(events))
	}
}

func TestWait(t *testing.T) {
	var tap Tap
	d := newDecoder(1, ToServer, tap.addLocked)
	go func() {
		for _, b := range request() {
			tap.mu.Lock()
			d.write([]byte{b})
			tap.mu.Unlock()
		}
	}()
	ended := func(events []Event) bool { return len(events) > 0 && events[len(events)-1].Ends() }
	if events := tap.Wait(t.Context(), 0, ended); !ended(events) {
		t.Errorf("Wait returned\n%s", trace(events))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if events := tap.Wait(ctx, 0, func([]Event) bool { return false }); ctx.Err() == nil {
		t.Errorf("Wait returned before its context ended: %s", trace(events))
	}
}
