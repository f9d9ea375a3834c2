package wire

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/status"
)

// An Encoder makes the messages that one side of a call sends. One goroutine at a time.
type Encoder struct {
	Codec      encoding.Codec
	Compressor encoding.Compressor // nil: none
	MinBytes   int                 // smaller messages are sent as they are
	Limit      Limit               // of a message before compression
	Hooks      *Hooks              // nil: none
	Meter      Meter               // nil: none
	// Remote is set if a peer is told of errors. The text of a codec's, about a message of this
	// side, is not for it.
	Remote bool
}

// Encode returns m as a length-prefixed message in a buffer the caller owns.
func (o *Encoder) Encode(m any) (*mem.Buf, error) {
	if u, ok := m.(Uncompressed); ok {
		plain := *o
		m, plain.Compressor = u.Message, nil
		o = &plain
	}
	h := o.Hooks
	if h != nil && h.Send != nil {
		var err error
		if m, err = h.Send(m); err != nil {
			return nil, err
		}
	}
	size := 0
	buf, err := o.marshal(m, &size)
	if err != nil {
		return nil, err
	}
	info := MessageInfo{Size: size, WireSize: len(buf.B), Compressed: buf.B[0] == 1}
	if o.Meter != nil {
		o.Meter.MessageSent(info)
	}
	if h != nil && h.Sent != nil {
		h.Sent(info)
	}
	return buf, nil
}

// EncodeAgain is Encode for a message that was encoded before: the meter is not told once more.
func (o *Encoder) EncodeAgain(m any) (*mem.Buf, error) {
	plain := *o
	plain.Meter = nil
	return plain.Encode(m)
}

// marshal also returns how long the message is before compression.
func (o *Encoder) marshal(m any, uncompressed *int) (*mem.Buf, error) {
	size := o.Codec.Size(m)
	if o.Limit.exceededBy(int64(size)) {
		return nil, status.Error(codes.ResourceExhausted, o.Limit.text("message to send", int64(size)))
	}
	buf := mem.Get(prefixLen + max(size, 0))
	out, err := o.Codec.Append(buf.B[:prefixLen], m, size)
	if err != nil {
		buf.Free()
		return nil, o.marshalError(err)
	}
	buf.B = out
	n := len(out) - prefixLen
	*uncompressed = n
	if o.Limit.exceededBy(int64(n)) {
		buf.Free()
		return nil, status.Error(codes.ResourceExhausted, o.Limit.text("message to send", int64(n)))
	}
	if uint64(n) > 1<<32-1 {
		buf.Free()
		return nil, status.Errorf(codes.ResourceExhausted, "message to send of %d bytes does not fit the 4 bytes of its length", n)
	}
	if o.Compressor != nil && n > 0 && n >= o.MinBytes {
		return o.compress(buf)
	}
	putPrefix(buf.B, 0)
	return buf, nil
}

func (o *Encoder) marshalError(err error) error {
	if o.Remote {
		return status.New(codes.Internal, "the server could not marshal its message; the reason is in its log").WithCause(&LocalError{err}).Err()
	}
	return status.New(codes.Internal, "marshal message: "+err.Error()).WithCause(err).Err()
}

// compress replaces buf by a compressed one if that is smaller. It takes buf over.
func (o *Encoder) compress(buf *mem.Buf) (*mem.Buf, error) {
	small := mem.Get(len(buf.B))
	out, err := o.Compressor.Compress(small.B[:prefixLen], buf.B[prefixLen:])
	if err != nil {
		buf.Free()
		small.Free()
		return nil, status.New(codes.Internal, "compress message: "+err.Error()).WithCause(err).Err()
	}
	small.B = out
	if len(out) >= len(buf.B) {
		// What compression made no smaller goes without it, which the flag of each message allows.
		small.Free()
		putPrefix(buf.B, 0)
		return buf, nil
	}
	buf.Free()
	putPrefix(small.B, 1)
	return small, nil
}

func putPrefix(b []byte, flag byte) {
	b[0] = flag
	binary.BigEndian.PutUint32(b[1:prefixLen], uint32(len(b)-prefixLen))
}

// A Decoder reads the messages that one side of a call receives. One goroutine at a time.
type Decoder struct {
	Codec        encoding.Codec
	Encoding     string              // grpc-encoding as received
	Decompressor encoding.Compressor // nil: encoding is identity
	Limit        Limit               // of a message after decompression
	Hooks        *Hooks              // nil: none
	Meter        Meter               // nil: none
	Remote       bool                // as in Encoder
	// Expansion says when a message of the connection ConnID may be decompressed, Ctx until when it
	// is wanted. Set with Decompressor.
	Expansion *Expansion
	ConnID    uint64
	Ctx       context.Context
	Fault     reason.Code // what was wrong with a message, for those who count; see Dispatcher.Problem
}

// Decode makes *m what f holds.
func (i *Decoder) Decode(f Frame, m any) error {
	size := len(f.body)
	var err error
	if f.compressed {
		size, err = i.expand(f.body, m)
	} else {
		err = i.unmarshal(f.body, m)
	}
	if err != nil {
		return err
	}
	info := MessageInfo{Size: size, WireSize: prefixLen + len(f.body), Compressed: f.compressed}
	if i.Meter != nil {
		i.Meter.MessageReceived(info)
	}
	if i.Hooks != nil && i.Hooks.Receive != nil {
		return i.Hooks.Receive(m, info)
	}
	return nil
}

func (i *Decoder) unmarshal(body []byte, m any) error {
	if err := i.Codec.Unmarshal(body, m); err != nil {
		i.Fault = reason.MessageMalformed
		if wrong, ok := errors.AsType[*encoding.TypeError](err); ok && i.Remote {
			return status.New(codes.Internal, "unmarshal message: the server receives into a value that is not a message; see its log").WithCause(&LocalError{wrong}).Err()
		}
		return status.New(codes.Internal, "unmarshal message: "+brief.Text(err.Error(), maxCodecError)).WithCause(err).Err()
	}
	return nil
}

// maxCodecError bounds what a status repeats of a codec's error, which may repeat the message.
const maxCodecError = 1 << 10

// expand decompresses and decodes a message and returns its size.
func (i *Decoder) expand(body []byte, m any) (int, error) {
	if i.Decompressor == nil {
		// compression.md: "If a message is compressed but the encoding is identity or missing:
		// INTERNAL"
		return 0, status.Errorf(codes.Internal, "message is flagged as compressed, but grpc-encoding is %s", brief.Quote(i.Encoding))
	}
	room := i.roomFor(body)
	x, err := i.Expansion.begin(i.Ctx, i.ConnID, room)
	if err != nil { // of the context
		return 0, ContextStatus(i.Ctx, "the call waited to have its message decompressed")
	}
	defer x.release()
	big, err := i.decompress(body, room)
	if err != nil {
		x.expanded(0, max(room, i.Limit.Bytes))
		return 0, err
	}
	x.expanded(len(big.B), len(big.B))
	defer big.Free()
	return len(big.B), i.unmarshal(big.B, m)
}

// expandSlack is what decompressors may want behind a message.
const expandSlack = 64

// roomFor returns how large a buffer a compressed message may want. One that is pooled, so that
// messages that expand beyond the limit leave no garbage of its size.
func (i *Decoder) roomFor(body []byte) int {
	n := growFactor * len(body)
	if s, ok := i.Decompressor.(encoding.Sizer); ok {
		if hint := s.SizeHint(body); hint > 0 {
			n = hint
		}
	}
	if i.Limit.exceededBy(int64(n)) {
		n = i.Limit.Bytes + expandSlack
	}
	return n
}

func (i *Decoder) decompress(body []byte, room int) (*mem.Buf, error) {
	buf := mem.Get(room)
	out, err := i.Decompressor.Decompress(buf.B, body, i.Limit.Bytes)
	if err != nil {
		buf.Free()
		i.Fault = reason.MessageMalformed
		var tooBig *encoding.LimitError
		if errors.As(err, &tooBig) {
			i.Fault = reason.MessageTooLarge
			return nil, status.Errorf(codes.ResourceExhausted, "received message of %d compressed bytes expands to more than the limit of %d bytes (%s)", len(body), i.Limit.Bytes, i.Limit.By)
		}
		return nil, status.New(codes.Internal, "decompress message: "+brief.Text(err.Error(), maxCodecError)).WithCause(err).Err()
	}
	buf.B = out
	return buf, nil
}
