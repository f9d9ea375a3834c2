package h2

import (
	"errors"
	"fmt"
	"testing"

	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// newTestReader returns a Reader with the default limits.
func newTestReader(t testing.TB, fromServer bool) *Reader {
	t.Helper()
	policy, err := abuse.NewPolicy(abuse.Config{})
	if err != nil {
		t.Fatal(err)
	}
	b := policy.New()
	r := NewReader(ReaderConfig{FromServer: fromServer, Limits: hpack.DefaultLimits}, &b)
	r.Scratch = new(Scratch)
	return r
}

// trace reads events from pieces of at most size bytes and describes them; pieces of one DATA
// frame are joined, as where they are cut is up to the network.
func trace(t testing.TB, b []byte, size int) (events []string, err error) {
	r := newTestReader(t, false)
	var buf, data []byte
	for {
		ev, n, err := r.Next(buf)
		if err != nil {
			return events, err
		}
		if n == 0 {
			if len(b) == 0 {
				return events, nil
			}
			k := min(size, len(b))
			buf = append(append([]byte(nil), buf...), b[:k]...)
			b = b[k:]
			continue
		}
		buf = buf[n:]
		if ev.Kind != EventData {
			events = append(events, fmt.Sprintf("%v %v %d %v %v %q %q %v %v", ev.Kind, ev.Type, ev.StreamID, ev.End, ev.Fields, ev.Data, ev.Settings, ev.Increment, ev.Err))
			continue
		}
		if ev.First {
			data = data[:0]
		}
		data = append(data, ev.Data...)
		if r.dataLeft == 0 && r.padLeft == 0 {
			events = append(events, fmt.Sprintf("data %d %q %v", ev.StreamID, data, ev.End))
		}
	}
}

func seeds() [][]byte {
	block := hpack.NewEncoder(4096)
	var hb []byte
	for _, f := range []hpack.Field{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/s/m"}, {Name: ":authority", Value: "a"}} {
		hb = block.AppendField(hb, f, true)
	}
	s := frame.AppendSettings(nil, false, frame.Setting{ID: frame.SettingInitialWindowSize, Value: 100})
	call := frame.AppendHeaders(s, 1, false, frame.MinMaxFrameSize, hb)
	call = frame.AppendData(call, 1, true, []byte("hello"))
	split := frame.AppendHeaders(append([]byte(nil), s...), 3, true, 7, hb)
	control := frame.AppendPing(append([]byte(nil), s...), false, [8]byte{1})
	control = frame.AppendWindowUpdate(control, 0, 5)
	control = frame.AppendRSTStream(control, 1, frame.Cancel)
	control = frame.AppendGoAway(control, 1, frame.NoError, "bye")
	control = frame.AppendPriority(control, 5, frame.Priority{})
	control = frame.AppendSettings(control, true)
	padded := append(append([]byte(nil), s...), 0, 0, 6, 0, 9, 0, 0, 0, 1, 3, 'a', 'b', 0, 0, 0)
	return [][]byte{s, call, split, control, padded}
}

// FuzzReader: any bytes are events or an error, the same however the network cuts them.
func FuzzReader(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err1 := trace(t, b, len(b)+1)
		bytewise, err2 := trace(t, b, 1)
		if fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Fatalf("whole: %v; byte by byte: %v", err1, err2)
		}
		if fmt.Sprint(whole) != fmt.Sprint(bytewise) {
			t.Fatalf("whole:        %v\nbyte by byte: %v", whole, bytewise)
		}
	})
}

// apply feeds an event to the state as the shell does, with a program that takes every byte at
// once and answers every request with three bytes.
func apply(c *Conn, ev *Event) error {
	if ev.Err != nil {
		c.ResetID(ev.Err.StreamID, ev.Err.Code)
		return nil
	}
	var err error
	switch ev.Kind {
	case EventHeaders:
		var s *Stream
		var v Verdict
		if s, v, err = c.RecvHeaders(ev.StreamID, ev.End, false); v == NewHead {
			c.SendResponseHead(s, "200", nil, false)
			c.Send(s, bufOf("abc"), true, []hpack.Field{{Name: "grpc-status", Value: "0"}})
		} else if v == Refuse {
			c.ResetID(ev.StreamID, frame.RefusedStream)
		}
	case EventData:
		var s *Stream
		if ev.First {
			s, err = c.RecvData(ev.StreamID, ev.FlowLen, ev.DataLen)
		} else {
			s = c.Stream(ev.StreamID)
		}
		if s != nil {
			begin := s.Received() // or so
			c.Delivered(s, len(ev.Data))
			c.Want(s, begin, begin+int64(ev.FlowLen)) // it may, or may not, come
			c.Consumed(s, int64(len(ev.Data)))
		}
		if s != nil && ev.End {
			if err = c.RecvDataEnd(s); err == nil {
				c.Settle(s)
			}
		}
	case EventReset:
		_, err = c.RecvReset(ev.StreamID)
	case EventSettings:
		err = c.RecvSettings(ev.Settings)
	case EventWindowUpdate:
		err = c.RecvWindowUpdate(ev.StreamID, ev.Increment)
	case EventGoAway:
		_, err = c.RecvGoAway(ev.GoAway)
	}
	if e, ok := errors.AsType[*Error](err); ok && e.StreamID != 0 {
		c.ResetID(e.StreamID, e.Code)
		return nil
	}
	return err
}

// check fails if a window or the table is in a state that must not be.
func (c *Conn) check(t testing.TB) {
	t.Helper()
	if err := c.recv.Check(c.recvStreams); err != nil {
		t.Fatal(err)
	}
	if c.sendWindow < 0 {
		t.Fatalf("connection's send window %d: it never goes negative", c.sendWindow)
	}
	if n := uint32(len(c.streams)); n > c.cfg.MaxConcurrentStreams {
		t.Fatalf("%d streams open, %d allowed", n, c.cfg.MaxConcurrentStreams)
	}
	for id, s := range c.streams {
		if s.ID != id || s.Closed || s.LocalClosed && s.RemoteClosed {
			t.Fatalf("stream %d in the table: %+v", id, s)
		}
		if s.queued < 0 {
			t.Fatalf("stream %d: queued %d", id, s.queued)
		}
	}
}

// FuzzServer: whatever a client sends, the state stays sound, and what we send is well-formed.
func FuzzServer(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newTestReader(t, false)
		c := NewConn(Config{Role: Server}, func() *Stream { return new(Stream) })
		for {
			ev, n, err := r.Next(b)
			if err != nil || n == 0 {
				break
			}
			b = b[n:]
			if apply(c, ev) != nil {
				break
			}
			c.Fill(1 << 20)
			c.check(t)
		}
		checkFrames(t, c.Out)
	})
}

// checkFrames fails unless out is a sequence of whole, legal frames.
func checkFrames(t testing.TB, out []byte) {
	t.Helper()
	for len(out) > 0 {
		if len(out) < frame.HeaderLen {
			t.Fatalf("%d stray bytes in the out-buffer", len(out))
		}
		h := frame.ParseHeader(out)
		if err := h.Check(frame.MinMaxFrameSize); err != nil || len(out) < frame.HeaderLen+int(h.Length) {
			t.Fatalf("we sent %v of %d bytes: %v", h.Type, h.Length, err)
		}
		out = out[frame.HeaderLen+int(h.Length):]
	}
}
