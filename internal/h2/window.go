package h2

import (
	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// What the shell tells the receive side of flow control, see package flow.

// Delivered notes that n bytes of a DATA frame on s go to the program, before they do. Each is to be given
// to Consumed once, also after the stream has ended.
func (c *Conn) Delivered(s *Stream, n int) { c.recv.Delivered(&s.recv, int64(n), c.Now) }

// Want notes where in the data of s the message lies that is being received.
func (c *Conn) Want(s *Stream, begin, end int64) { c.recv.Want(&s.recv, begin, end, c.Now) }

// Consumed notes that the program has taken n bytes of s.
func (c *Conn) Consumed(s *Stream, n int64) { c.recv.Consumed(&s.recv, n, c.Now) }

// Held returns the bytes received, or waiting to be sent, that the connection holds.
func (c *Conn) Held() int64 { return c.recv.Held() + int64(c.Unsent.Bytes) }

// Waits reports whether messages wait for memory of the connection: Tick is to be called every flow.TickEvery.
func (c *Conn) Waits() bool { return c.recv.Waits() }

// Tick looks after the messages that wait at now, in nanoseconds, and returns the streams that have to end for them.
func (c *Conn) Tick(now int64) (end []*Stream) {
	for _, r := range c.recv.Tick(c.recvStreams, now) {
		end = append(end, c.streams[r.ID()])
	}
	return end
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
