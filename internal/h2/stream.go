package h2

import (
	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/mem"
)

// A Stream is one stream's protocol state. The shell may use it for another stream when it is
// Unlinked.
//
// RFC 9113 §5.1, without the states of server push, which neither side may use here:
//
//	        open ──(END_STREAM received)──▶ half-closed (remote)
//	         │                                   │
//	(END_STREAM sent)                     (END_STREAM sent)
//	         ▼                                   ▼
//	 half-closed (local) ─(END_STREAM received)─▶ closed ◀─ RST_STREAM either way, from any state
//
// "idle" is every id above the highest one seen; "closed" is every id below that is not in the
// connection's table.
type Stream struct {
	// immutable after creation
	ID   uint32
	User any // the shell's own stream

	// guarded by the shell's lock, as is everything below
	RemoteClosed bool // END_STREAM received
	LocalClosed  bool // END_STREAM queued on the wire
	Closed       bool // no longer in the table
	HeadReceived bool // the final (not 1xx) head has come
	Waiting      bool // the shell wants to be woken when the queue is short again
	endQueued    bool // the program has ended its half; END_STREAM follows the queue

	head int // bytes of the request's header list, see Conn.Heads

	// sendWindow is what the peer allows us on this stream. It goes negative when the peer
	// lowers SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.9.2).
	sendWindow int64
	refills    refills // of sendWindow
	recv       flow.Stream

	queue    []*mem.Buf // DATA that waits for a window or for its turn
	queueOff int        // bytes of queue[0] already sent
	queued   int        // bytes waiting
	trailers []hpack.Field
	ready    bool // linked into the connection's ring
	next     *Stream
	queueBuf [1]*mem.Buf // queue's first backing: most streams never queue more than one

	contentLength int64 // announced by the peer, -1: not
	dataSeen      int64
}

// Unlinked reports whether a stream that ended in good order is no longer referred to by its
// connection.
func (s *Stream) Unlinked() bool {
	return s.Closed && s.RemoteClosed && s.LocalClosed && !s.Waiting && !s.ready && s.next == nil && s.queued == 0 && s.recv.Unlinked()
}

// Received returns how many bytes of DATA have come.
func (s *Stream) Received() int64 { return s.dataSeen }

// Queued returns the bytes that wait for flow control or for their turn on the wire.
func (s *Stream) Queued() int { return s.queued }

// SendEnded reports whether the program has ended its half, whatever still waits in the queue.
func (s *Stream) SendEnded() bool { return s.endQueued }

func (s *Stream) push(b *mem.Buf) {
	if s.queue == nil {
		s.queue = s.queueBuf[:0]
	}
	s.queue = append(s.queue, b)
	s.queued += len(b.B)
}

// dropQueue frees what waits: the stream is over.
func (s *Stream) dropQueue() {
	for i, b := range s.queue {
		b.Free()
		s.queue[i] = nil
	}
	s.queue, s.queueOff, s.queued = nil, 0, 0
	s.trailers = nil
}
