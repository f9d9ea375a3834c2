package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// PROTOCOL-HTTP2.md:
//
//	Length-Prefixed-Message → Compressed-Flag Message-Length Message
//	Compressed-Flag → 0 / 1 ; encoded as 1 byte unsigned integer
//	Message-Length → {length of Message} ; encoded as 4 byte unsigned integer (big endian)
const prefixLen = 5

// Sizes of the buffers received bytes are kept in.
const (
	// A message that has not arrived whole is given growFactor times what has, and firstBytes at
	// least, so that a claim of 4 MiB, or thousands of claims of 16 KiB, cost nothing by
	// themselves.
	firstBytes = 1 << 10
	growFactor = 4
	// The buffers of a stream may be larger than what has arrived by spareBytes or a spareShare of
	// it; by more as long as all buffers of the process are within what mem.Ahead allows, so that
	// slow or half-sent messages, and whole ones that nobody takes, hold no multiple of what came.
	// It is what makes them larger to save copies, and what their size classes do.
	spareBytes = 64 << 10
	spareShare = 4
	// A buffer that follows a full one nobody has read yet is not smaller than this.
	backlogBytes = 4 << 10
)

// creditBatch is how many bytes are given back to the transport at once while more messages lie
// in the same buffer: an eighth of the smallest window, so that a sender never waits for them.
const creditBatch = 8 << 10

// A Reassembler keeps what has arrived on a stream and cuts it into messages. Bytes are kept as
// they come, messages behind each other with their prefixes, in few buffers: a peer that sends a
// thousand messages of one byte makes this side hold six thousand bytes, not a thousand objects. A
// message never spans two buffers, so that it is decoded in place.
//
// All methods and fields are guarded by the lock of the call that owns it, except those of the
// reader half, which belong to the one goroutine that receives.
type Reassembler struct {
	Limit Limit
	// Single says that one message belongs on the stream: what follows it is a problem, and not
	// looked at.
	Single bool

	// writer half: filled by Add
	full  []*mem.Buf // each holds whole messages only
	cur   *mem.Buf   // being filled
	whole int        // bytes of cur that are complete messages
	need  int        // bytes missing of the last message in cur
	npre  int        // bytes of pre that have arrived
	pre   [prefixLen]byte
	total int64 // bytes that have arrived since the stream began
	count int   // messages completed since then
	asked int   // count when Want last told of the message that followed
	ahead int   // taken from mem.Ahead for cur
	kept  int   // taken from mem.Ahead for full

	// reader half
	rd    *mem.Buf
	rdOff int
	used  int // bytes received by the program and not yet given back to the transport
}

// A Problem is what is wrong with what the peer sent.
type Problem struct {
	RetryAfter time.Duration // when the peer may try again, 0: nothing is said
	Code       codes.Code
	Text       string
}

// Status is the status of a call that has the problem.
func (p *Problem) Status() *status.Status {
	s := status.New(p.Code, p.Text)
	if p.RetryAfter > 0 {
		if told, err := s.WithDetails(retryInfo(p.RetryAfter)); err == nil { // it is marshalled already
			return told
		}
	}
	return s
}

// retryInfo is a google.rpc.RetryInfo, built from its bytes since nothing here links its type:
// retry_delay (1) is a google.protobuf.Duration.
func retryInfo(d time.Duration) *anypb.Any {
	delay := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(d/time.Second))
	delay = protowire.AppendVarint(protowire.AppendTag(delay, 2, protowire.VarintType), uint64(d%time.Second))
	return &anypb.Any{
		TypeUrl: "type.googleapis.com/google.rpc.RetryInfo",
		Value:   protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), delay),
	}
}

// Add takes over the bytes of one Data call. It returns a problem when they break the framing; the
// stream must be ended then.
func (in *Reassembler) Add(p []byte) *Problem {
	in.total += int64(len(p))
	for len(p) > 0 {
		if in.need == 0 {
			if n := in.addWhole(p); n > 0 {
				p = p[n:]
				continue
			}
			if in.Single && in.count > 0 {
				// Status codes document: "request cardinality violation (method requires exactly
				// one request but client sent some other number of requests): UNIMPLEMENTED".
				return &Problem{Code: codes.Unimplemented, Text: "client sent more than one message to a method that takes one"}
			}
			n := copy(in.pre[in.npre:], p)
			p = p[n:]
			if in.npre += n; in.npre < prefixLen {
				return nil
			}
			if pr := in.begin(len(p)); pr != nil {
				return pr
			}
			continue
		}
		n := min(in.need, len(p))
		in.room(n)
		in.cur.B = append(in.cur.B, p[:n]...)
		p = p[n:]
		if in.need -= n; in.need == 0 {
			in.complete()
		}
	}
	return nil
}

// addWhole takes over the whole messages that p begins with and the current buffer has room for, at
// once, and returns how many bytes that was: thousands of small ones may lie in a frame.
func (in *Reassembler) addWhole(p []byte) (n int) {
	if in.npre > 0 || in.cur == nil || in.Single {
		return 0
	}
	room := p[:min(len(p), cap(in.cur.B)-len(in.cur.B))]
	for n+prefixLen <= len(room) && room[n]&^1 == 0 {
		size := binary.BigEndian.Uint32(room[n+1:])
		if in.Limit.exceededBy(int64(size)) || uint64(size) > uint64(len(room)-n-prefixLen) {
			break
		}
		n += prefixLen + int(size)
		in.count++
	}
	in.cur.B = append(in.cur.B, p[:n]...)
	in.whole = len(in.cur.B)
	return n
}

func (in *Reassembler) complete() {
	if in.ahead > 0 {
		in.settleAhead(max(0, cap(in.cur.B)-len(in.cur.B)-in.spare(len(in.cur.B))))
	}
	in.whole = len(in.cur.B)
	in.count++
}

// begin starts a message whose prefix is in pre; here more bytes of the frame follow.
func (in *Reassembler) begin(here int) *Problem {
	in.npre = 0
	if in.pre[0]&^1 != 0 {
		return &Problem{Code: codes.Internal, Text: fmt.Sprintf("message with reserved compressed-flag %#x", in.pre[0])}
	}
	n := binary.BigEndian.Uint32(in.pre[1:])
	// Before anything is allocated: the length is only a claim.
	if in.Limit.exceededBy(int64(n)) {
		return &Problem{Code: codes.ResourceExhausted, Text: in.Limit.text("received message", int64(n))}
	}
	if uint64(n) > math.MaxInt-prefixLen {
		return &Problem{Code: codes.ResourceExhausted, Text: fmt.Sprintf("received message of %d bytes is larger than this machine can address", n)}
	}
	size := prefixLen + int(n)
	if in.cur != nil && (len(in.cur.B)+size > cap(in.cur.B)) {
		if in.whole > 0 {
			in.full = append(in.full, in.cur)
			in.cur, in.whole = nil, 0
			in.kept += in.ahead
			in.ahead = 0
		}
	}
	if in.cur == nil {
		want := size
		switch {
		case prefixLen+here > size && !in.Single:
			want = prefixLen + here // of the messages behind it, too
		case prefixLen+here < size:
			want = min(size, max(firstBytes, growFactor*here))
		}
		if len(in.full) > 0 {
			want = max(want, backlogBytes)
		}
		in.cur = in.buffer(want, min(want, prefixLen+here))
	}
	in.cur.B = append(in.cur.B, in.pre[:]...)
	if in.need = int(n); n == 0 {
		in.complete()
	}
	return nil
}

// room makes place for n more bytes of the message being received.
func (in *Reassembler) room(n int) {
	have := len(in.cur.B)
	if have+n <= cap(in.cur.B) {
		return
	}
	in.settleAhead(0)
	grown := in.buffer(min(have+in.need, max(growFactor*have, have+n)), have+n)
	grown.B = append(grown.B, in.cur.B...)
	in.cur.Free()
	in.cur = grown
}

// buffer lends a buffer for size bytes, of which here have arrived; one for fewer if it would be
// larger than that allows.
func (in *Reassembler) buffer(size, here int) *mem.Buf {
	extra, spare := mem.Size(size)-here, in.spare(here)
	if extra <= spare {
		return mem.Get(size)
	}
	if mem.Ahead(extra) {
		in.ahead = extra
		return mem.Get(size)
	}
	return mem.New(min(size, here+spare))
}

// spare is by how much a buffer may be larger than the n bytes that have arrived for it. The first
// one's spareBytes are those of the stream.
func (in *Reassembler) spare(n int) int {
	if len(in.full) > 0 {
		return max(backlogBytes-n, n/spareShare)
	}
	return max(spareBytes, n/spareShare)
}

// settleAhead gives back what was taken from mem.Ahead for cur, but for left.
func (in *Reassembler) settleAhead(left int) {
	if in.ahead > left {
		mem.Caught(in.ahead - left)
		in.ahead = left
	}
}

// settleKept gives back what was taken from mem.Ahead for full.
func (in *Reassembler) settleKept() {
	if in.kept > 0 {
		mem.Caught(in.kept)
		in.kept = 0
	}
}

// Partial reports whether the stream, if it ended now, would end inside a message.
func (in *Reassembler) Partial() bool { return in.need > 0 || in.npre > 0 }

// Want returns where in the stream's data a message lies that has begun and is not complete. ok is
// true once for each message.
func (in *Reassembler) Want() (begin, end int64, ok bool) {
	if in.need == 0 || in.asked == in.count+1 {
		return 0, 0, false
	}
	in.asked = in.count + 1
	return in.total - int64(len(in.cur.B)-in.whole), in.total + int64(in.need), true
}

// Ready reports whether Take would return a buffer.
func (in *Reassembler) Ready() bool { return len(in.full) > 0 || in.whole > 0 }

// Take returns to the reader a buffer of whole messages, or nil when none is complete.
func (in *Reassembler) Take() *mem.Buf {
	if len(in.full) > 0 {
		b := in.full[0]
		in.full[0] = nil
		if in.full = in.full[1:]; len(in.full) == 0 {
			in.full = nil
			in.settleKept()
		}
		return b
	}
	if in.whole == 0 {
		return nil
	}
	b := in.cur
	in.cur = nil
	in.settleAhead(0)
	if tail := b.B[in.whole:]; len(tail) > 0 {
		// The beginning of the next message. It is short: a long one would have begun a buffer.
		in.cur = mem.Get(min(len(tail)+in.need, max(firstBytes, growFactor*len(tail))))
		in.cur.B = append(in.cur.B, tail...)
		b.B = b.B[:in.whole]
	}
	in.whole = 0
	return b
}

// Drop frees everything the writer half holds and returns how many bytes that was.
func (in *Reassembler) Drop() (bytes int) {
	in.settleAhead(0)
	in.settleKept()
	for _, b := range in.full {
		bytes += len(b.B)
		b.Free()
	}
	in.full = nil
	if in.cur != nil {
		bytes += len(in.cur.B)
		in.cur.Free()
		in.cur = nil
	}
	bytes += in.npre
	in.whole, in.need, in.npre = 0, 0, 0
	return bytes
}

// A Frame is one message as it came.
type Frame struct {
	compressed bool
	body       []byte // lies in the reader's buffer until the next call of Next
}

// Next returns the next message of the reader's buffer. The caller is the receiving goroutine and
// passes buffers from Take to Refill. ok is false when the buffer is used up.
func (in *Reassembler) Next() (f Frame, ok bool) {
	if in.rd == nil || in.rdOff == len(in.rd.B) {
		return Frame{}, false
	}
	p := in.rd.B[in.rdOff:]
	end := prefixLen + int(binary.BigEndian.Uint32(p[1:prefixLen]))
	in.rdOff += end
	return Frame{compressed: p[0] == 1, body: p[prefixLen:end:end]}, true
}

// Credit counts f, which Next has returned, as used, and frees the buffer it was the last message
// of. It returns how many bytes are to be given back to the transport now, 0 for none yet.
func (in *Reassembler) Credit(f Frame) (n int) {
	in.used += prefixLen + len(f.body)
	last := in.rdOff == len(in.rd.B)
	if last || in.used >= creditBatch {
		n, in.used = in.used, 0
	}
	if last {
		in.Refill(nil)
	}
	return n
}

// Messages returns how many messages were completed since the stream began.
func (in *Reassembler) Messages() int { return in.count }

// Unread returns the bytes of the reader's buffer that were not given back to the transport, and
// forgets what of them was used.
func (in *Reassembler) Unread() int {
	n := in.used
	in.used = 0
	if in.rd != nil {
		n += len(in.rd.B) - in.rdOff
	}
	return n
}

// Refill replaces the reader's buffer (b may be nil).
func (in *Reassembler) Refill(b *mem.Buf) {
	in.rd.Free()
	in.rd, in.rdOff = b, 0
}
