package encoding

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow is how far back a match may reach when compressing: at 1 MiB an encoder holds a
// few megabytes after large messages, and messages rarely repeat themselves over longer
// distances.
const zstdWindow = 1 << 20

// zstdBlock is the most a block expands to (RFC 8878 §3.1.1.2.4), and zstdKeep the size up to
// which a decoder keeps its scratch buffer.
const (
	zstdBlock = 128 << 10
	zstdKeep  = 512 << 10
	zstdLarge = 16 << 20 // the largest message there is room for at once
	zstdSlack = 16       // room behind a message that lets the decoder copy whole words up to the last byte
)

// errZstdLarge is a message that expands to more than asked for.
var errZstdLarge = errors.New("more than its source can hold")

// Zstd returns the compressor "zstd" (RFC 8878) at its fastest level, on the caller's goroutine
// alone. On text it took a quarter of the time of the fastest gzip. A message being
// compressed needs 0.3 MB beside its buffers, 1.6 MB if it is large; one being expanded
// 0.2 MB.
//
// What it keeps for reuse belongs to the place it was first used in: a compressor used
// inside a testing/synctest bubble must not be used outside of it.
func Zstd() Compressor {
	c := new(zstdCompressor)
	c.encoders.New = func() any { return newZstdEncoder() }
	c.decoders.New = func() any { return newZstdDecoder(&c.large) }
	return c
}

// zstdCompressor keeps its encoders and decoders, which are large, in pools.
type zstdCompressor struct {
	encoders sync.Pool // of *zstd.Encoder
	decoders sync.Pool // of *zstdDecoder
	large    sync.Pool // of *[]byte: scratch buffers of more than zstdKeep
}

func newZstdEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow),
		zstd.WithLowerEncoderMem(true),
		zstd.WithZeroFrames(true),  // an empty message is a frame too, as other decoders want it
		zstd.WithEncoderCRC(false), // TCP and TLS have theirs
	)
	if err != nil {
		panic("BUG: zstd encoder options: " + err.Error())
	}
	return e
}

func (*zstdCompressor) Name() string { return "zstd" }

func (c *zstdCompressor) Compress(dst, src []byte) ([]byte, error) {
	e := c.encoders.Get().(*zstd.Encoder)
	out := e.EncodeAll(src, dst)
	c.encoders.Put(e)
	return out, nil
}

func (c *zstdCompressor) Decompress(dst, src []byte, limit int) ([]byte, error) {
	if len(src) == 0 {
		return dst, errors.New("encoding: zstd decompress: no frame") // DecodeAll takes it for an empty one
	}
	most := zstdMost(len(src))
	if limit >= 0 {
		most = min(most, limit)
	}
	d := c.decoders.Get().(*zstdDecoder)
	defer c.decoders.Put(d)
	out, err := d.decode(dst, src, most)
	if err == errZstdLarge && most == limit {
		return dst, &LimitError{"zstd", limit}
	}
	if err != nil {
		return dst, fmt.Errorf("encoding: zstd decompress: %w", err)
	}
	return out, nil
}

// SizeHint implements Sizer.
func (c *zstdCompressor) SizeHint(src []byte) int {
	var h zstd.Header
	if err := h.Decode(src); err != nil || !h.HasFCS {
		return 0
	}
	most := uint64(zstdMost(len(src)))
	return int(min(min(h.FrameContentSize, most)+zstdSlack, most)) // a claim may be near 2^64
}

// zstdMost returns the most bytes that n bytes of zstd can expand to: a block takes at least 4
// bytes, those of an RLE block. Without this bound a few bytes could claim memory up to the
// limit, or any amount where there is none.
func zstdMost(n int) int {
	if n > math.MaxInt/zstdBlock {
		return math.MaxInt
	}
	return (n/4 + 1) * zstdBlock
}

// zstdDecoder is a decoder that is made to stay inside the buffers it is given.
type zstdDecoder struct {
	z       *zstd.Decoder
	scratch []byte // for messages that do not say how large they are
	large   *sync.Pool
}

func newZstdDecoder(large *sync.Pool) *zstdDecoder {
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		// The library's own bound, WithDecoderMaxMemory, also refuses windows larger than it, and
		// encoders of streams declare windows of megabytes for messages of any size.
		zstd.WithDecodeAllCapLimit(true),
		// The window is the output itself here, so that what a frame says of it costs nothing.
		zstd.WithDecoderMaxWindow(zstd.MaxWindowSize),
	)
	if err != nil {
		panic("BUG: zstd decoder options: " + err.Error())
	}
	return &zstdDecoder{z: z, large: large}
}

// decode appends to dst, at most most bytes; more is errZstdLarge.
func (d *zstdDecoder) decode(dst, src []byte, most int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil || !h.HasFCS {
		return d.decodeUnknown(dst, src, most)
	}
	if h.FrameContentSize > uint64(most) {
		return nil, errZstdLarge
	}
	room := slices.Grow(dst, int(h.FrameContentSize)+zstdSlack)
	free := room[len(dst):len(dst):cap(room)]
	got, err := d.z.DecodeAll(src, free)
	switch {
	case err != nil:
		// Broken, or the first of several frames, which took all the room.
		return d.decodeUnknown(dst, src, most)
	case len(got) > most:
		return nil, errZstdLarge
	case len(got) == 0 || &got[0] == &free[:1][0]:
		return room[:len(dst)+len(got)], nil
	default:
		return append(dst, got...), nil
	}
}

// decodeUnknown decodes what does not say how large it is: into more and more room, fourfold
// or more each time, so that starting over costs a third on top of the last attempt.
//
// How a block that does not fit fails depends on what is in it, and can look like a broken
// one. With a block's room to spare, one can only fail for lack of room after more than
// room was decoded, and that much the decoder returns with the error.
func (d *zstdDecoder) decodeUnknown(dst, src []byte, most int) ([]byte, error) {
	for room := min(most, max(4*len(src), zstdBlock/2)); ; room = zstdNext(room, most) {
		scratch := d.take(room + zstdBlock)
		// No more blocks than must fit: in one that does not, the decoder would make room of its
		// own.
		head := zstdHead(src, room/zstdBlock+1)
		got, err := d.z.DecodeAll(head, scratch[:0:room+zstdBlock])
		if len(head) < len(src) && len(got) <= room {
			got, err = d.z.DecodeAll(src, scratch[:0:room+zstdBlock])
		}
		out, again, err := d.judge(dst, got, room, most, err)
		d.put(scratch)
		if !again {
			return out, err
		}
	}
}

// zstdHead returns the beginning of a frame with at most n of its blocks, or all of src if those
// are all, or cannot be found (RFC 8878 §3.1.1.2). Decoding it fails for want of the next, with
// what the blocks hold.
func zstdHead(src []byte, n int) []byte {
	var h zstd.Header
	if h.Decode(src) != nil || h.Skippable {
		return src
	}
	const header = 3 // bytes: 1 bit for the last block, 2 for the type, 21 for the size
	at := h.HeaderSize
	for ; n > 0; n-- {
		if at+header > len(src) {
			return src
		}
		bits := int(src[at]) | int(src[at+1])<<8 | int(src[at+2])<<16
		size := bits >> 3
		if bits>>1&3 == 1 { // RLE: one byte, so many times
			size = 1
		}
		if at += header + size; bits&1 == 1 || at > len(src) {
			return src
		}
	}
	return src[:at]
}

// zstdNext returns how much room to try after room was too little. From zstdKeep on all there may
// be, if that is not much more: scratch buffers of one size are reused, and what is not touched of
// them costs nothing.
func zstdNext(room, most int) int {
	next := 4*room + 1
	if next+zstdBlock > zstdKeep && most <= zstdLarge {
		return most
	}
	return min(most, next)
}

// judge tells what an attempt with room for so many bytes brought, and whether more room may help.
func (d *zstdDecoder) judge(dst, got []byte, room, most int, err error) (out []byte, again bool, _ error) {
	switch {
	case err == nil && len(got) <= most:
		return append(dst, got...), false, nil
	case err != nil && len(got) <= room && !errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, false, err
	case room == most:
		return nil, false, errZstdLarge
	}
	return nil, true, nil
}

// take returns a scratch buffer with a capacity of n or more. A message that expands to a thousand
// times its size must not leave as much garbage with each try.
func (d *zstdDecoder) take(n int) []byte {
	if cap(d.scratch) >= n {
		return d.scratch
	}
	if n > zstdKeep {
		if b, _ := d.large.Get().(*[]byte); b != nil && cap(*b) >= n {
			return *b
		}
	}
	return make([]byte, 0, n)
}

// put keeps a scratch buffer for the next message: small ones here, large ones where any decoder
// finds them, until the garbage collector takes them.
func (d *zstdDecoder) put(b []byte) {
	switch {
	case cap(b) <= cap(d.scratch):
	case cap(b) <= zstdKeep:
		d.scratch = b
	default:
		d.large.Put(&b)
	}
}
