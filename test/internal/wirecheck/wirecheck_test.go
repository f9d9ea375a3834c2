package wirecheck

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// wire is a connection whose other end is a buffer.
type wire struct {
	net.Conn
	in   bytes.Buffer
	most int // 0: all
}

func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

// Write takes most bytes only at a time.
func (w *wire) Write(p []byte) (int, error) {
	if w.most > 0 && len(p) > w.most {
		return w.most, os.ErrDeadlineExceeded
	}
	return len(p), nil
}

// step is what one end does: the one that is watched, or its peer.
type step struct {
	peer   bool
	frames []byte
}

func our(b []byte) step   { return step{frames: b} }
func peers(b []byte) step { return step{peer: true, frames: b} }

func head(id uint32, end bool) []byte {
	return frame.AppendHeaders(nil, id, end, frame.MinMaxFrameSize, []byte{0x82})
}

// data is n bytes in frames of at most 10,000.
func data(id uint32, n int) (b []byte) {
	for ; n > 0; n -= 10_000 {
		b = frame.AppendData(b, id, false, make([]byte, min(n, 10_000)))
	}
	return b
}

func window(id, n uint32) []byte { return frame.AppendWindowUpdate(nil, id, n) }

func set(id frame.SettingID, v uint32) []byte {
	return frame.AppendSettings(nil, false, frame.Setting{ID: id, Value: v})
}

var ack = frame.AppendSettings(nil, true)

// TestRules shows what is allowed, and that each rule, when broken, is reported.
func TestRules(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
		want  string // part of the report; empty: none
	}{
		{"all of the windows", []step{our(head(1, false)), our(data(1, 65_535))}, ""},
		{"the stream's window", []step{peers(window(0, 1000)), our(head(1, false)), our(data(1, 65_536))}, "1 beyond the stream's window"},
		{"the connection's window", []step{our(head(1, false)), our(head(3, false)), our(data(1, 40_000)), our(data(3, 40_000))}, "4465 beyond the connection's window"},
		{"more of both", []step{our(head(1, false)), peers(window(0, 10)), peers(window(1, 10)), our(data(1, 65_545))}, ""},
		{"a window for another stream", []step{our(head(1, false)), our(head(3, false)), peers(window(0, 10)), peers(window(3, 10)), our(data(1, 65_545))}, "10 beyond the stream's window"},
		{"padding counts", []step{our(head(1, false)), our(data(1, 65_530)), our([]byte("\x00\x00\x06\x00\x08\x00\x00\x00\x01\x05\x00\x00\x00\x00\x00"))}, "1 beyond the stream's window"},
		{"no window, no bytes", []step{peers(set(frame.SettingInitialWindowSize, 0)), our(ack), our(head(1, false)), our(frame.AppendData(nil, 1, true, nil))}, ""},
		{"smaller windows before the acknowledgment", []step{our(head(1, false)), peers(set(frame.SettingInitialWindowSize, 10)), our(data(1, 65_535))}, ""},
		{"smaller windows after it", []step{our(head(1, false)), peers(set(frame.SettingInitialWindowSize, 10)), our(ack), our(data(1, 11))}, "1 beyond the stream's window"},
		{"negative windows", []step{our(head(1, false)), our(data(1, 100)), peers(set(frame.SettingInitialWindowSize, 10)), our(ack), peers(window(1, 91)), our(data(1, 1))}, ""},
		{"negative windows, not refilled", []step{our(head(1, false)), our(data(1, 100)), peers(set(frame.SettingInitialWindowSize, 10)), our(ack), peers(window(1, 90)), our(data(1, 1))}, "1 beyond the stream's window"},
		{"larger windows at once", []step{our(head(1, false)), peers(window(0, 100)), peers(set(frame.SettingInitialWindowSize, 65_635)), our(data(1, 65_635))}, ""},
		{"a frame too large", []step{our(head(1, false)), our(frame.AppendData(nil, 1, false, make([]byte, 16_385)))}, "of at most 16384"},
		{"a larger frame", []step{peers(set(frame.SettingMaxFrameSize, 20_000)), our(head(1, false)), our(frame.AppendData(nil, 1, false, make([]byte, 16_385)))}, ""},
		{"DATA after the end", []step{our(head(1, true)), our(data(1, 1))}, "DATA on stream 1 after END_STREAM"},
		{"HEADERS after the end", []step{our(head(1, true)), our(head(1, true))}, "HEADERS on stream 1 after END_STREAM"},
		{"DATA after RST_STREAM", []step{our(head(1, false)), our(frame.AppendRSTStream(nil, 1, frame.Cancel)), our(data(1, 1))}, "DATA on stream 1 after RST_STREAM"},
		{"DATA that crosses RST_STREAM", []step{our(head(1, false)), peers(frame.AppendRSTStream(nil, 1, frame.Cancel)), our(data(1, 1))}, ""},
		{"RST_STREAM on an idle stream", []step{our(frame.AppendRSTStream(nil, 1, frame.Cancel))}, "which is idle"},
		{"streams in another order", []step{our(head(3, true)), our(head(1, true))}, "opened after stream 3"},
		{"one stream too many", []step{peers(set(frame.SettingMaxConcurrentStreams, 1)), our(head(1, true)), our(head(3, true))}, "one of 2, of at most 1"},
		{"streams one after another", []step{peers(set(frame.SettingMaxConcurrentStreams, 1)), our(head(1, true)), peers(head(1, true)), our(head(3, true)), our(frame.AppendRSTStream(nil, 3, frame.Cancel)), our(head(5, true))}, ""},
		{"a window update of nothing", []step{our(window(0, 0))}, "WINDOW_UPDATE of 0"},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s, %d bytes at a time", tt.name, piece), func(t *testing.T) {
				got := ""
				w := &wire{}
				c := Client(w, func(format string, args ...any) { got += fmt.Sprintf(format, args...) })
				feed(t, c, w, our([]byte(h2.Preface)), piece)
				for _, s := range tt.steps {
					feed(t, c, w, s, piece)
				}
				if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
					t.Errorf("reported %q, want %q", got, tt.want)
				}
			})
		}
	}
}

// feed passes a step's bytes on, a piece at a time.
func feed(t *testing.T, c *Conn, w *wire, s step, piece int) {
	t.Helper()
	for b := s.frames; len(b) > 0; b = b[min(piece, len(b)):] {
		p := b[:min(piece, len(b))]
		var err error
		if s.peer {
			w.in.Write(p)
			_, err = c.Read(make([]byte, len(p)))
		} else {
			_, err = c.Write(p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestServer: the server's end is held to the same windows, and the preface is the client's.
func TestServer(t *testing.T) {
	got := ""
	w := &wire{}
	c := Server(w, func(format string, args ...any) { got += fmt.Sprintf(format, args...) })
	for _, s := range []step{peers([]byte(h2.Preface)), peers(head(1, true)), our(head(1, false)), our(data(1, 65_535))} {
		feed(t, c, w, s, 1<<20)
	}
	if got != "" {
		t.Errorf("reported %q, want nothing", got)
	}
	feed(t, c, w, our(data(1, 1)), 1<<20)
	if !strings.Contains(got, "1 beyond the stream's window") {
		t.Errorf("reported %q, want the window", got)
	}
}

// TestShortWrites: what a write that timed out did not take comes again and counts once.
func TestShortWrites(t *testing.T) {
	got := ""
	c := Client(&wire{most: 1000}, func(format string, args ...any) { got += fmt.Sprintf(format, args...) })
	all := append(append([]byte(h2.Preface), head(1, false)...), data(1, 65_535)...)
	for b := all; len(b) > 0; {
		n, err := c.Write(b)
		if err != nil && n == 0 {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if got != "" {
		t.Errorf("reported %q, want nothing", got)
	}
	if _, err := c.Write(data(1, 1)); err != nil || !strings.Contains(got, "1 beyond the stream's window") {
		t.Errorf("reported %q, %v, want the window", got, err)
	}
}
