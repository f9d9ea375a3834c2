package h2

import (
	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// What the shell tells the receive side of flow control, see package flow.

// Delivered notes that n bytes of a DATA frame on s go to the program, before they do. Each is to
// be given to Consumed once, also after the stream has ended.
func (c *Conn) Delivered(s *Stream, n int) {
	c.recv.Delivered(&s.recv, int64(n), c.Now)
	c.adjustFirst()
}

// adjustFirst changes the window that streams start with, for what the connection holds.
func (c *Conn) adjustFirst() {
	if w, change := c.recv.FirstWindow(c.recvStreams, c.Now); change {
		c.sendSettings(frame.Setting{ID: frame.SettingInitialWindowSize, Value: uint32(w)})
		c.recv.SetFirst(c.recvStreams, w, c.Now)
	}
}

func (c *Conn) sendSettings(settings ...frame.Setting) {
	c.Out = frame.AppendSettings(c.Out, false, settings...)
	c.acksDue++
}

// RecvSettingsAck notes that the peer goes by the SETTINGS frame that it had not acknowledged (RFC
// 9113 §6.5.3). One that acknowledges nothing is ignored.
func (c *Conn) RecvSettingsAck() {
	if c.acksDue > 0 {
		if c.acksDue--; c.acksDue == 0 {
			c.recv.Acknowledged(c.recvStreams)
		}
	}
}

// Overfull reports whether the peer's streams hold more than the windows they start with may make
// them hold; Excess returns those that are to be ended for it.
func (c *Conn) Overfull() bool { return c.recv.Overfull() }

// Excess is the streams that have to end when the connection is Overfull.
func (c *Conn) Excess() []*Stream { return c.ofRecv(c.recv.Excess(c.recvStreams, c.Now)) }

// Want notes where in the data of s the message lies that is being received.
func (c *Conn) Want(s *Stream, begin, end int64) { c.recv.Want(&s.recv, begin, end, c.Now) }

// Consumed notes that the program has taken n bytes of s.
func (c *Conn) Consumed(s *Stream, n int64) { c.recv.Consumed(&s.recv, n, c.Now) }

// Held returns the bytes received, or waiting to be sent, that the connection holds.
func (c *Conn) Held() int64 { return c.recv.Held() + int64(c.Unsent.Bytes) }

// Waits reports whether messages wait for memory of the connection: Tick is to be called every
// flow.TickEvery.
func (c *Conn) Waits() bool { return c.recv.Waits() }

// Tick looks after the messages that wait at now, in nanoseconds, and returns the streams that have
// to end for them.
func (c *Conn) Tick(now int64) (end []*Stream) { return c.ofRecv(c.recv.Tick(c.recvStreams, now)) }

func (c *Conn) ofRecv(all []*flow.Stream) (streams []*Stream) {
	for _, r := range all {
		streams = append(streams, c.streams[r.ID()])
	}
	return streams
}

// recvStreams is an iterator over the receive side of all streams.
func (c *Conn) recvStreams(yield func(*flow.Stream) bool) {
	for _, s := range c.streams {
		if !yield(&s.recv) {
			return
		}
	}
}

// Holder returns what s holds of its peer's messages at now.
func (s *Stream) Holder(now int64) flow.Holder { return s.recv.Holder(now) }

// SampleRTT notes a measured round trip.
func (c *Conn) SampleRTT(ns int64) { c.recv.SampleRTT(ns, c.Now) }

// WantPing reports, once each time, that a round trip should be measured: windows grow by it.
func (c *Conn) WantPing() bool { return c.recv.WantRTT() }

func (c *Conn) announce(id uint32, n int64) { c.Out = frame.AppendWindowUpdate(c.Out, id, uint32(n)) }
