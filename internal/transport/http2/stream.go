package http2

import (
	"strconv"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// stream is a stream of either side: transport.ServerStream through serverStream,
// transport.ClientStream through clientStream.
type stream struct {
	h2.Stream               // guarded by c.mu, except ID
	c         *conn         // immutable
	server    *serverStream // what the stream is part of: one of these
	client    *clientStream

	// set before the sink can be called, then read by the read loop only
	sink  transport.Sink
	csink transport.ClientSink // the same on a client, nil on a server
	// owned by the read loop of a server
	openedAt int64 // when the request's head came

	// guarded by c.mu
	headAt uint64           // where the request head begins in all that this side sends (a client)
	shed   bool             // its call was told to end for the memory it holds
	toldAt time.Time        // when the read loop was told to do that
	heard  bool             // the peer has sent something since our last send
	endErr *transport.Error // why the stream was cut short
	waiter chan struct{}    // of AwaitSend; capacity 1: a wake-up must not be lost
	// of a finished sender whose data still waits, see stall.go
	waitSince  time.Time
	waitQueued int
	queuedAt   time.Time // since when something is queued
	queuedSum  int       // bytes that were queued then, and since
	answerBy   time.Time // when the call's deadline passes; zero: never
}

func (s *stream) ID() uint32 { return s.Stream.ID }

func (s *stream) Conn() *transport.ConnInfo { return &s.c.info }

var errStreamOver = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.StreamClosed),
	Token: reason.StreamOver, Reason: "stream has ended",
}

// overLocked returns why nothing more can be sent, nil if it can.
func (s *stream) overLocked() error {
	if s.endErr != nil {
		return s.endErr
	}
	if s.Closed || s.SendEnded() {
		return errStreamOver
	}
	return nil
}

func (s *stream) wakeLocked() {
	if s.waiter != nil {
		select {
		case s.waiter <- struct{}{}:
		default:
		}
	}
}

// AwaitSend implements transport.StreamControl. One caller at a time: a stream has one sender.
func (s *stream) AwaitSend(done <-chan struct{}) error {
	c := s.c
	for {
		c.mu.Lock()
		if s.endErr != nil || s.Closed {
			err := s.endErr
			c.mu.Unlock()
			if err == nil {
				err = errStreamOver
			}
			return err
		}
		if s.Queued() <= c.lowWaterLocked() && !c.pointlessLocked(s) {
			c.mu.Unlock()
			return nil
		}
		if s.waiter == nil {
			s.waiter = make(chan struct{}, 1)
		}
		s.Waiting = true
		w := s.waiter
		c.mu.Unlock()
		select {
		case <-w:
		case <-done:
			return transport.ErrAwaitDone
		}
	}
}

// lowWaterLocked returns how much a stream may have queued and still take more. When all streams
// together have much queued, it is 0, so that a peer which reads none of hundreds of streams makes
// this side hold one message for each, not a queue.
func (c *conn) lowWaterLocked() int {
	if c.h.Unsent.Bytes > c.limits.Backlog {
		return 0
	}
	return h2.SendLowWater
}

// pointlessLocked reports whether a message for s could not be sent anyway: the peer has given s no
// window, and much waits for it already.
func (c *conn) pointlessLocked(s *stream) bool {
	if c.h.Unsent.Bytes <= c.limits.Backlog {
		return false
	}
	own, _ := c.h.Windows(&s.Stream)
	return !own
}

// Consumed implements transport.StreamControl.
func (s *stream) Consumed(n int) {
	if n <= 0 {
		return
	}
	c := s.c
	c.lock()
	before := len(c.h.Out)
	c.h.Consumed(&s.Stream, int64(n))
	c.tellHeldLocked()
	c.watchFlowLocked()
	c.flushIfAndUnlock(len(c.h.Out) > before)
}

// Want implements transport.StreamControl.
func (s *stream) Want(begin, end int64) {
	c := s.c
	c.lock()
	before := len(c.h.Out)
	c.h.Want(&s.Stream, begin, end)
	c.watchFlowLocked()
	c.flushIfAndUnlock(len(c.h.Out) > before)
}

// Reset implements transport.StreamControl.
func (s *stream) Reset(code uint32, token reason.Code) {
	c := s.c
	c.lock()
	if s.Closed || c.phase == connEnded {
		c.mu.Unlock()
		return
	}
	s.endErr = &transport.Error{Scope: transport.ScopeStream, Origin: transport.OriginUser, Code: code, Token: token, Reason: "stream reset by this side"}
	c.h.Reset(&s.Stream, frame.ErrCode(code))
	c.updateLocked()
	c.flushAndUnlock(flushNow)
}

// serverStream gives stream the method set of transport.ServerStream.
type serverStream struct{ stream }

// Send implements transport.ServerStream.
func (s *serverStream) Send(out *transport.Out) error {
	c := s.c
	n := 0
	if out.Body != nil {
		n = len(out.Body.B)
	}
	c.lock()
	queued := s.Queued()
	if err := s.sendLocked(out); err != nil {
		c.mu.Unlock()
		out.Body.Free()
		return err
	}
	c.updateLocked()
	waits := s.Queued() > 0
	if waits {
		s.noteQueuedLocked(queued, n)
		if out.End {
			c.watchLocked(&s.stream, out.Deadline)
		}
	}
	c.flushAndUnlock(s.modeLocked(out.End))
	if waits {
		c.shed()
	}
	return nil
}

// Streams that ended without an error, for later calls. Streams that were reset, and those that
// something may still refer to, are left to the garbage collector.
var (
	serverStreams = sync.Pool{New: func() any { return new(serverStream) }}
	clientStreams = sync.Pool{New: func() any { return new(clientStream) }}
)

// Release implements transport.StreamControl.
func (s *stream) Release() {
	c := s.c
	c.mu.Lock()
	free := s.Unlinked() && s.endErr == nil && s.waiter == nil && c.phase != connEnded
	c.mu.Unlock()
	switch {
	case !free:
	case mem.Invariants:
		s.c = nil // a further use panics
	case s.server != nil:
		server := s.server
		*server = serverStream{}
		serverStreams.Put(server)
	default:
		client := s.client
		*client = clientStream{}
		clientStreams.Put(client)
	}
}

// modeLocked returns how what was sent is flushed: at once at the end of a stream or if it may be
// the response the peer waits for, by another goroutine if the sender is likely to send more.
func (s *stream) modeLocked(end bool) flushMode {
	switch {
	case end:
		return flushYield
	case s.heard:
		s.heard = false
		return flushYield
	}
	return flushLater
}

func (s *serverStream) sendLocked(out *transport.Out) error {
	if err := s.overLocked(); err != nil {
		return err
	}
	h := s.c.h
	whole := out.End && out.Body == nil && len(out.Trailers) == 0
	if out.Head != nil {
		if size, limit, ok := h.FitsPeer(statusSize, out.Head.Fields); !ok {
			return &transport.HeaderListError{Section: out.HeadSection(), Size: size, Limit: limit}
		}
	}
	if len(out.Trailers) > 0 {
		if size, limit, ok := h.FitsPeer(0, out.Trailers); !ok {
			return &transport.HeaderListError{Section: transport.SectionTrailer, Size: size, Limit: limit}
		}
	}
	if out.Head != nil {
		h.SendResponseHead(&s.Stream, statusText(out.Head.Status), out.Head.Fields, whole)
		if whole {
			return nil
		}
	}
	if out.Body != nil || out.End {
		h.Send(&s.Stream, out.Body, out.End, out.Trailers)
	}
	return nil
}

// statusSize is the size of a response's :status field.
const statusSize = len(":status") + len("200") + 32

// clientStream gives stream the method set of transport.ClientStream.
type clientStream struct{ stream }

// Send implements transport.ClientStream.
func (s *clientStream) Send(body *mem.Buf, end bool) error {
	c := s.c
	c.lock()
	if err := s.overLocked(); err != nil {
		c.mu.Unlock()
		body.Free()
		return err
	}
	c.h.Send(&s.Stream, body, end, nil)
	c.updateLocked()
	c.flushAndUnlock(s.modeLocked(end))
	return nil
}

// statusText is the :status of a response. Nearly all are 200.
func statusText(code int) string {
	if code == 200 {
		return "200"
	}
	return strconv.Itoa(code)
}
