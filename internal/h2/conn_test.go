package h2

import (
	"errors"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/mem"
)

func bufOf(s string) *mem.Buf {
	b := mem.Get(len(s))
	b.B = append(b.B, s...)
	return b
}

// newTestConn returns a connection with an empty out-buffer.
func newTestConn(cfg Config) *Conn {
	c := NewConn(cfg, func() *Stream { return new(Stream) })
	c.TakeOut(nil)
	return c
}

// out returns the summaries of what is in the out-buffer and empties it.
func (c *Conn) out() string {
	var all []string
	for b := c.TakeOut(nil); len(b) > 0; {
		h := frame.ParseHeader(b)
		n := frame.HeaderLen + int(h.Length)
		all = append(all, frame.Summary(h, b[frame.HeaderLen:n]))
		b = b[n:]
	}
	return strings.Join(all, "; ")
}

func wantOut(t *testing.T, c *Conn, why, want string) {
	t.Helper()
	if got := c.out(); got != want {
		t.Errorf("%s:\n got  %s\n want %s", why, got, want)
	}
}

func wantError(t *testing.T, why string, err error, stream uint32, code frame.ErrCode, token string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.StreamID != stream || e.Code != code || string(e.Token) != token {
		t.Errorf("%s: got %v, want an error of stream %d, %v, %s", why, err, stream, code, token)
	}
}

// openStream opens a stream of the peer's.
func openStream(t *testing.T, c *Conn, id uint32, end bool) *Stream {
	t.Helper()
	s, v, err := c.RecvHeaders(id, end, false)
	if v != NewHead || err != nil {
		t.Fatalf("HEADERS on stream %d: %v, %v", id, v, err)
	}
	return s
}

func TestRFC9113_5_1_ClosedStreams(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	s := openStream(t, c, 5, true)
	c.SendResponseHead(s, "200", nil, true)
	if !s.Closed {
		t.Fatal("both halves ended, the stream is in the table")
	}
	_, _, err := c.RecvHeaders(5, true, false)
	wantError(t, "HEADERS on a stream that ended", err, 0, frame.StreamClosed, "headers_closed")
	_, _, err = c.RecvHeaders(3, true, false)
	wantError(t, "an id below one that was used", err, 0, frame.StreamClosed, "headers_closed")
	_, err = c.RecvData(5, 1, 1)
	wantError(t, "DATA on a stream that ended", err, 0, frame.StreamClosed, "data_closed")
	if err := c.RecvWindowUpdate(5, 1); err != nil {
		t.Errorf("WINDOW_UPDATE may come late: %v", err)
	}
	if _, err := c.RecvReset(5); err != nil {
		t.Errorf("RST_STREAM may come late: %v", err)
	}
}

func TestRFC9113_5_1_FramesAfterOurResetAreIgnored(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	for id := uint32(1); id < 4*resetLogSize; id += 2 {
		c.Reset(openStream(t, c, id, false), frame.Cancel)
	}
	c.out()
	for id := uint32(1); id < 4*resetLogSize; id += 2 {
		if s, err := c.RecvData(id, 10, 10); s != nil || err != nil {
			t.Fatalf("DATA on stream %d, which we reset: %v, %v", id, s, err)
		}
		if _, v, err := c.RecvHeaders(id, true, false); v != Ignore || err != nil {
			t.Fatalf("HEADERS on stream %d, which we reset: %v, %v", id, v, err)
		}
	}
	if c.Held() != 0 {
		t.Errorf("%d bytes held, want none of dropped frames", c.Held())
	}
}

func TestRFC9113_5_1_HalfClosedRemote(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	openStream(t, c, 1, true)
	_, err := c.RecvData(1, 1, 1)
	wantError(t, "DATA after END_STREAM", err, 1, frame.StreamClosed, "data_half_closed")
	_, _, err = c.RecvHeaders(1, true, false)
	wantError(t, "HEADERS after END_STREAM", err, 1, frame.StreamClosed, "headers_half_closed")
}

func TestRFC9113_5_1_1_StreamIDs(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	_, _, err := c.RecvHeaders(2, true, false)
	wantError(t, "an even id from a client", err, 0, frame.ProtocolError, "stream_id_even")
	_, err = c.RecvData(7, 0, 0)
	wantError(t, "DATA on an idle stream", err, 0, frame.ProtocolError, "data_idle")
	_, err = c.RecvReset(7)
	wantError(t, "RST_STREAM on an idle stream", err, 0, frame.ProtocolError, "reset_idle")
	wantError(t, "WINDOW_UPDATE on an idle stream", c.RecvWindowUpdate(7, 1), 0, frame.ProtocolError, "window_update_idle")
}

func TestRFC9113_5_1_2_ConcurrentStreams(t *testing.T) {
	c := newTestConn(Config{Role: Server, MaxConcurrentStreams: 2})
	openStream(t, c, 1, false)
	s := openStream(t, c, 3, false)
	if _, v, err := c.RecvHeaders(5, false, false); v != Refuse || err != nil {
		t.Errorf("a third stream: %v, %v, want it refused", v, err)
	}
	c.Reset(s, frame.Cancel)
	openStream(t, c, 7, false)
}

func TestRFC9113_6_9_1_Windows(t *testing.T) {
	c := newTestConn(Config{Role: Server, StreamWindow: 100_000})
	a, b := openStream(t, c, 1, false), openStream(t, c, 3, false)
	if _, err := c.RecvData(1, 90_000, 90_000); err != nil {
		t.Fatal(err)
	}
	_, err := c.RecvData(1, 10_001, 10_001)
	wantError(t, "above the stream's window", err, 1, frame.FlowControlError, "stream_window")
	_, err = c.RecvData(3, flow.ConnWindow, flow.ConnWindow)
	wantError(t, "above the connection's window", err, 0, frame.FlowControlError, "conn_window")
	wantError(t, "a window above 2^31-1", c.RecvWindowUpdate(1, maxWindow), 1, frame.FlowControlError, "stream_window_overflow")
	wantError(t, "the connection's above 2^31-1", c.RecvWindowUpdate(0, maxWindow), 0, frame.FlowControlError, "conn_window_overflow")
	_, _ = a, b
}

func TestRFC9113_6_9_2_InitialWindowChanges(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	set := func(v uint32) error {
		return c.RecvSettings(frame.AppendSettings(nil, false, frame.Setting{ID: frame.SettingInitialWindowSize, Value: v})[frame.HeaderLen:])
	}
	if err := set(10); err != nil {
		t.Fatal(err)
	}
	s := openStream(t, c, 1, true)
	c.out()
	c.SendResponseHead(s, "200", nil, false)
	c.Send(s, bufOf("0123456789abcdef"), true, nil)
	c.Fill(1 << 20)
	wantOut(t, c, "ten bytes fit", "HEADERS stream=1 len=1 END_HEADERS; DATA stream=1 len=10")
	if err := set(4); err != nil {
		t.Fatal(err)
	}
	if s.sendWindow != -6 {
		t.Errorf("window %d after the setting fell by 6 with nothing left, want -6", s.sendWindow)
	}
	c.out()
	if err := c.RecvWindowUpdate(1, 8); err != nil {
		t.Fatal(err)
	}
	c.Fill(1 << 20)
	wantOut(t, c, "two bytes fit", "DATA stream=1 len=2")
	if err := set(100); err != nil {
		t.Fatal(err)
	}
	c.Fill(1 << 20)
	wantOut(t, c, "the rest fits", "SETTINGS len=0 ACK; DATA stream=1 len=4 END_STREAM")
	openStream(t, c, 3, false)
	if err := c.RecvWindowUpdate(3, maxWindow-100); err != nil {
		t.Fatal(err)
	}
	wantError(t, "a setting that overflows a stream's window", set(101), 0, frame.FlowControlError, "settings_window_overflow")
}

func TestStreamsTakeTurns(t *testing.T) {
	c := newTestConn(Config{Role: Client})
	if err := c.RecvSettings(frame.AppendSettings(nil, false, frame.Setting{ID: frame.SettingInitialWindowSize, Value: 1 << 20})[frame.HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	if err := c.RecvWindowUpdate(0, 1<<20); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 40_000)
	for range 2 {
		s, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		c.SendRequestHead(s, "POST", "http", "a", "/b/c", nil, false)
		c.Send(s, bufOf(big), true, nil)
	}
	c.out()
	c.Fill(1 << 20)
	wantOut(t, c, "one frame each in turn", "DATA stream=1 len=16384; DATA stream=3 len=16384; DATA stream=1 len=16384; DATA stream=3 len=16384; "+
		"DATA stream=1 len=7232 END_STREAM; DATA stream=3 len=7232 END_STREAM")
}

// The response may be complete when the last of the request leaves: the stream is removed with
// that. Built with -tags invariants, a buffer that is looked at after it was freed shows here.
func TestRequestEndsAfterItsResponse(t *testing.T) {
	c := newTestConn(Config{Role: Client})
	if err := c.RecvSettings(nil); err != nil {
		t.Fatal(err)
	}
	s, err := c.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	c.SendRequestHead(s, "POST", "http", "a", "/b", nil, false)
	body := bufOf(strings.Repeat("x", 70_000))
	c.Send(s, body, true, nil)
	c.Fill(1 << 20)
	if _, _, err := c.RecvHeaders(s.ID, true, false); err != nil {
		t.Fatal(err)
	}
	c.TakeOut(nil)
	for _, id := range []uint32{0, s.ID} {
		if err := c.RecvWindowUpdate(id, 10_000); err != nil {
			t.Fatal(err)
		}
	}
	c.Fill(1 << 20)
	wantOut(t, c, "the rest of the request", "DATA stream=1 len=4465 END_STREAM")
	if !s.Closed || c.Open() != 0 || c.Unsent.Bytes != 0 || !s.Unlinked() {
		t.Errorf("closed %t, %d streams open, %d bytes unsent, unlinked %t", s.Closed, c.Open(), c.Unsent.Bytes, s.Unlinked())
	}
}

func TestSmallMessagesShareAFrame(t *testing.T) {
	c := newTestConn(Config{Role: Client})
	s, _ := c.OpenStream()
	u, _ := c.OpenStream()
	for _, s := range []*Stream{s, s, u, s, s} {
		c.Send(s, bufOf("abc"), false, nil)
	}
	c.Send(s, nil, true, nil)
	wantOut(t, c, "runs of one stream are joined", "DATA stream=1 len=6; DATA stream=3 len=3; DATA stream=1 len=6 END_STREAM")
}

func TestRFC9113_8_1_1_ContentLength(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	s := openStream(t, c, 1, false)
	if err := s.ExpectLength(3); err != nil {
		t.Fatal(err)
	}
	_, err := c.RecvData(1, 4, 4)
	wantError(t, "more than announced", err, 1, frame.ProtocolError, "content_length")
	s = openStream(t, c, 3, false)
	if err := s.ExpectLength(3); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RecvData(3, 2, 2); err != nil {
		t.Fatal(err)
	}
	wantError(t, "less than announced", c.RecvDataEnd(s), 3, frame.ProtocolError, "content_length")
}

// nghttp2 ends the connection over a field of more than 64 KiB.
func TestFieldsForPeersWithoutALimit(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	f := []hpack.Field{{Name: "a", Value: strings.Repeat("b", 64<<10)}, {Name: "c", Value: strings.Repeat("d", 64<<10)}}
	if size, limit, ok := c.FitsPeer(1000, f); !ok {
		t.Errorf("two fields of 64 KiB: %d of %d do not fit", size, limit)
	}
	f[1].Value += "d"
	if size, limit, ok := c.FitsPeer(0, f); ok || size != 64<<10+1 || limit != 64<<10 {
		t.Errorf("a field of 64 KiB and a byte: %d of %d, fit: %t", size, limit, ok)
	}
}

func TestHeaderListLimitOfThePeer(t *testing.T) {
	c := newTestConn(Config{Role: Client})
	if err := c.RecvSettings(frame.AppendSettings(nil, false, frame.Setting{ID: frame.SettingMaxHeaderListSize, Value: 100})[frame.HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	f := []hpack.Field{{Name: "a", Value: strings.Repeat("b", 67)}}
	if size, limit, ok := c.FitsPeer(0, f); !ok {
		t.Errorf("exactly 100 bytes: %d of %d do not fit", size, limit)
	}
	if size, limit, ok := c.FitsPeer(1, f); ok || size != 101 || limit != 100 {
		t.Errorf("101 bytes: %d of %d, fit: %t", size, limit, ok)
	}
}

// TestRFC9113_6_9_1_AnEndNeedsNoWindow: trailers leave although another stream's data has used up
// the connection's window, and although much stands in the out-buffer.
func TestRFC9113_6_9_1_AnEndNeedsNoWindow(t *testing.T) {
	c := newTestConn(Config{Role: Server})
	big, small := openStream(t, c, 1, true), openStream(t, c, 3, true)
	c.SendResponseHead(small, "200", nil, false)
	if err := c.RecvWindowUpdate(1, 1<<20); err != nil {
		t.Fatal(err)
	}
	c.Send(big, bufOf(strings.Repeat("x", 200_000)), false, nil)
	c.Fill(1 << 20)
	c.Out = append(c.Out, make([]byte, OutHighWater)...)
	c.Send(small, nil, true, []hpack.Field{{Name: "grpc-status", Value: "0"}})
	if !small.Closed || c.CanFill() || big.Queued() != 200_000-initialWindowSize {
		t.Errorf("the end of stream 3 waits: closed %t; stream 1 has %d bytes queued, more can leave: %t", small.Closed, big.Queued(), c.CanFill())
	}
}
