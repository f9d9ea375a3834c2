package call

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/status"
)

// outbound says how the messages one side sends are made.
type outbound struct {
	codec      encoding.Codec
	compressor encoding.Compressor // nil: none
	minBytes   int                 // smaller messages are sent as they are
	limit      int                 // most bytes of a message before compression; < 0: no limit
	hooks      *Hooks              // nil: nobody asks
}

// encode returns m as a length-prefixed message in a buffer the caller owns.
func (o *outbound) encode(m any) (*mem.Buf, error) {
	if u, ok := m.(Uncompressed); ok {
		plain := *o
		m, plain.compressor = u.Message, nil
		o = &plain
	}
	if o.hooks == nil {
		return o.marshal(m)
	}
	if o.hooks.Send != nil {
		var err error
		if m, err = o.hooks.Send(m); err != nil {
			return nil, err
		}
	}
	size := 0
	buf, err := o.marshalSized(m, &size)
	if err == nil && o.hooks.Sent != nil {
		o.hooks.Sent(MessageInfo{Size: size, WireSize: len(buf.B), Compressed: buf.B[0] == 1})
	}
	return buf, err
}

func (o *outbound) marshal(m any) (*mem.Buf, error) {
	var size int
	return o.marshalSized(m, &size)
}

// marshalSized also tells how long the message is before compression.
func (o *outbound) marshalSized(m any, uncompressed *int) (*mem.Buf, error) {
	size := o.codec.Size(m)
	if o.limit >= 0 && size > o.limit {
		return nil, status.Error(codes.ResourceExhausted, tooLargeText("message to send", int64(size), o.limit, "WithMaxSendMessageSize"))
	}
	buf := mem.Get(prefixLen + max(size, 0))
	out, err := o.codec.Append(buf.B[:prefixLen], m, size)
	if err != nil {
		buf.Free()
		return nil, status.New(codes.Internal, "marshal message: "+err.Error()).WithCause(err).Err()
	}
	buf.B = out
	n := len(out) - prefixLen
	*uncompressed = n
	if o.limit >= 0 && n > o.limit {
		buf.Free()
		return nil, status.Error(codes.ResourceExhausted, tooLargeText("message to send", int64(n), o.limit, "WithMaxSendMessageSize"))
	}
	if uint64(n) > 1<<32-1 {
		buf.Free()
		return nil, status.Errorf(codes.ResourceExhausted, "message to send of %d bytes does not fit the 4 bytes of its length", n)
	}
	if o.compressor != nil && n > 0 && n >= o.minBytes {
		return o.compress(buf)
	}
	putPrefix(buf.B, 0)
	return buf, nil
}

// compress replaces buf by a compressed one if that is smaller. It takes buf over.
func (o *outbound) compress(buf *mem.Buf) (*mem.Buf, error) {
	small := mem.Get(len(buf.B))
	out, err := o.compressor.Compress(small.B[:prefixLen], buf.B[prefixLen:])
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

// inbound says how the messages one side receives are read.
type inbound struct {
	codec    encoding.Codec
	encoding string              // grpc-encoding as received
	inflater encoding.Compressor // nil: encoding is identity
	limit    int                 // most bytes of a message after decompression; < 0: no limit
	hooks    *Hooks              // nil: nobody asks
	// expansion says when a message of the connection conn may be decompressed, ctx until when it is wanted. Set with inflater.
	expansion *Expansion
	conn      uint64
	ctx       context.Context
	fault     string // what was wrong with a message, for those who count; see Dispatcher.Problem
}

// unmarshal makes *m what f holds.
func (i *inbound) unmarshal(f frame, m any) error {
	size := len(f.body)
	var err error
	if f.compressed {
		size, err = i.inflate(f.body, m)
	} else {
		err = i.decode(f.body, m)
	}
	if err != nil {
		return err
	}
	if i.hooks != nil && i.hooks.Receive != nil {
		return i.hooks.Receive(m, MessageInfo{Size: size, WireSize: prefixLen + len(f.body), Compressed: f.compressed})
	}
	return nil
}

func (i *inbound) decode(body []byte, m any) error {
	if err := i.codec.Unmarshal(body, m); err != nil {
		i.fault = "message_malformed"
		return status.New(codes.Internal, "unmarshal message: "+err.Error()).WithCause(err).Err()
	}
	return nil
}

// inflate decompresses and decodes a message and returns its size.
func (i *inbound) inflate(body []byte, m any) (int, error) {
	if i.inflater == nil {
		// compression.md: "If a message is compressed but the encoding is identity or missing: INTERNAL"
		return 0, status.Errorf(codes.Internal, "message is flagged as compressed, but grpc-encoding is %q", i.encoding)
	}
	room := i.roomFor(body)
	x, err := i.expansion.begin(i.ctx, i.conn, room)
	if err != nil { // of the context
		return 0, contextStatus(i.ctx, "the call waited to have its message decompressed")
	}
	defer x.release()
	big, err := i.decompress(body, room)
	if err != nil {
		x.expanded(0, max(room, i.limit))
		return 0, err
	}
	x.expanded(len(big.B), len(big.B))
	defer big.Free()
	return len(big.B), i.decode(big.B, m)
}

// expandSlack is what decompressors may want behind a message.
const expandSlack = 64

// roomFor returns how large a buffer a compressed message may want. One that is pooled, so that messages that expand
// beyond the limit leave no garbage of its size.
func (i *inbound) roomFor(body []byte) int {
	n := growFactor * len(body)
	if s, ok := i.inflater.(encoding.Sizer); ok {
		if hint := s.SizeHint(body); hint > 0 {
			n = hint
		}
	}
	if i.limit >= 0 && n > i.limit {
		n = i.limit + expandSlack
	}
	return n
}

func (i *inbound) decompress(body []byte, room int) (*mem.Buf, error) {
	buf := mem.Get(room)
	out, err := i.inflater.Decompress(buf.B, body, i.limit)
	if err != nil {
		buf.Free()
		i.fault = "message_malformed"
		var tooBig *encoding.LimitError
		if errors.As(err, &tooBig) {
			i.fault = "message_too_large"
			return nil, status.Errorf(codes.ResourceExhausted, "received message of %d compressed bytes expands to more than the limit of %d bytes (WithMaxReceiveMessageSize)", len(body), i.limit)
		}
		return nil, status.New(codes.Internal, "decompress message: "+err.Error()).WithCause(err).Err()
	}
	buf.B = out
	return buf, nil
}
