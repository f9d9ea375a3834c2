package webcall

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

const prefixLen = 5

// wholeInput puts a message's prefix before a body that is all of it. Of a body whose length is not
// known it keeps what has come, up to the limit of messages.
type wholeInput struct {
	limit      int
	length     int // -1: not known
	compressed bool
	message    []byte // of a GET

	// owned by the read loop
	began bool

	// guarded by mu
	mu   sync.Mutex
	held *mem.Buf // nil: nothing
	over bool     // nothing is kept any more
}

func (in *wholeInput) offset(n int64) int64 { return max(0, n-prefixLen) }

func (in *wholeInput) prefix(n int) []byte {
	p := make([]byte, prefixLen)
	if in.compressed && n > 0 {
		p[0] = 1
	}
	binary.BigEndian.PutUint32(p[1:], uint32(min(uint64(n), math.MaxUint32)))
	return p
}

func (in *wholeInput) data(x *exchange, p []byte, end bool) {
	switch {
	case in.message != nil && in.began: // a GET's body means nothing (RFC 9110 §9.3.1)
		x.give(nil, end)
	case in.message != nil:
		in.began = true
		x.give(in.prefix(len(in.message)), false)
		x.give(in.message, end)
	case in.length >= 0:
		if !in.began {
			in.began = true
			x.give(in.prefix(in.length), false)
		}
		x.give(p, end)
	case in.began: // too long already
		x.give(p, end)
	case in.limit >= 0 && in.size()+len(p) > in.limit:
		in.began = true
		x.give(in.prefix(in.size()+len(p)), false) // the call refuses it by its length
		in.take().Free()
		x.give(nil, end)
	case !end:
		in.keep(p)
		x.ServerStream.Want(0, int64(in.size()+window))
	default:
		in.keep(p)
		in.began = true
		all := in.take()
		if all == nil { // the call is over
			return
		}
		x.give(in.prefix(len(all.B)), false)
		x.give(all.B, true)
		all.Free()
	}
}

// window is how much more than what has come may come of a body whose length is not known.
const window = 64 << 10

func (in *wholeInput) size() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.held == nil {
		return 0
	}
	return len(in.held.B)
}

func (in *wholeInput) keep(p []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.over {
		return
	}
	if in.held == nil {
		in.held = mem.Get(max(len(p), 1<<10))
	} else if have := len(in.held.B); have+len(p) > cap(in.held.B) {
		grown := mem.Get(max(have+len(p), have+have/4))
		grown.B = append(grown.B, in.held.B...)
		in.held.Free()
		in.held = grown
	}
	in.held.B = append(in.held.B, p...)
}

func (in *wholeInput) take() *mem.Buf {
	in.mu.Lock()
	defer in.mu.Unlock()
	held := in.held
	in.held = nil
	return held
}

// drop implements input.
func (in *wholeInput) drop() {
	in.mu.Lock()
	in.over = true
	in.mu.Unlock()
	in.take().Free()
}

// discard is the sink of a request that was refused.
type discard struct{ stream transport.StreamControl }

// Data implements transport.Sink.
func (d discard) Data(p []byte, _ bool) {
	if len(p) > 0 {
		d.stream.Consumed(len(p))
	}
}

// Trailers implements transport.Sink.
func (discard) Trailers([]transport.Field) {}

// Closed implements transport.Sink.
func (discard) Closed(*transport.Error) {}
