package inproc

import (
	"sync"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// Bytes on their way in one direction of a stream above which AwaitSend waits, and below which
// it goes on: the default stream window of the HTTP/2 transport, and a quarter of it.
const (
	highWater = 64 << 10
	lowWater  = 16 << 10
)

// step is one call of a sink: in the order head, body, trailers, closed of what is set.
type step struct {
	head     *transport.ResponseHead
	body     *mem.Buf
	trailers []transport.Field
	end      bool
	closed   *transport.Error
}

// half is one direction of a stream. Whoever sends while nobody delivers becomes the deliverer and
// stays it until the queue is empty: the sink sees one call at a time, in order.
type half struct {
	// immutable after Open, except sink, which the deliverer alone uses
	sink    transport.Sink
	deliver func(step)

	// guarded by mu
	mu         sync.Mutex
	queue      []step
	delivering bool
	ended      bool // nothing more is accepted: ended, reset or closed
	muted      bool // the receiving side has reset: the sink is not called any more
	held       int  // bytes sent and not consumed
	room       chan struct{}
}

// send queues s and delivers what is queued unless somebody is at it. It returns false if the
// half had ended before.
func (h *half) send(s step) bool {
	h.mu.Lock()
	// The news that a stream is over may follow the end of a half; nothing else may.
	if h.muted || h.ended && s.closed == nil {
		h.mu.Unlock()
		s.body.Free()
		return false
	}
	if s.end || s.closed != nil {
		h.ended = true
		h.wakeLocked()
	}
	if s.body != nil {
		h.held += len(s.body.B)
	}
	if h.delivering {
		// The sender's loan ends when it returns.
		h.queue = append(h.queue, s.clone())
		h.mu.Unlock()
		return true
	}
	h.delivering = true
	h.mu.Unlock()
	h.run(s)
	return true
}

// run delivers s and then whatever was queued meanwhile. The caller has set delivering.
func (h *half) run(s step) {
	for {
		h.mu.Lock()
		muted := h.muted
		h.mu.Unlock()
		if !muted {
			h.deliver(s)
		} else if s.body != nil {
			h.consumed(len(s.body.B))
		}
		s.body.Free()
		h.mu.Lock()
		if len(h.queue) == 0 {
			h.queue = nil
			h.delivering = false
			h.mu.Unlock()
			return
		}
		s = h.queue[0]
		h.queue[0] = step{}
		h.queue = h.queue[1:]
		h.mu.Unlock()
	}
}

// mute stops the sink being called and ends the half.
func (h *half) mute() {
	h.mu.Lock()
	h.muted = true
	h.ended = true
	h.wakeLocked()
	h.mu.Unlock()
}

func (h *half) consumed(n int) {
	h.mu.Lock()
	if h.held -= n; h.held < 0 {
		h.mu.Unlock()
		panic("BUG: inproc: more bytes consumed than were sent")
	}
	if h.held <= lowWater {
		h.wakeLocked()
	}
	h.mu.Unlock()
}

func (h *half) wakeLocked() {
	if h.room != nil {
		close(h.room)
		h.room = nil
	}
}

// await blocks until the half can take more, is over, or done is closed.
func (h *half) await(done <-chan struct{}) error {
	h.mu.Lock()
	for wait := false; ; wait = true {
		if h.ended {
			h.mu.Unlock()
			return errOver
		}
		if h.held <= lowWater || !wait && h.held <= highWater {
			h.mu.Unlock()
			return nil
		}
		if h.room == nil {
			h.room = make(chan struct{})
		}
		room := h.room
		h.mu.Unlock()
		select {
		case <-room:
		default:
			select {
			case <-room:
			case <-done:
				return transport.ErrAwaitDone
			}
		}
		h.mu.Lock()
	}
}

func (s step) clone() step {
	if s.head != nil {
		head := *s.head
		head.Fields = append([]transport.Field(nil), head.Fields...)
		s.head = &head
	}
	if s.trailers != nil {
		s.trailers = append([]transport.Field(nil), s.trailers...)
	}
	return s
}
