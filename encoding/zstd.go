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

// Zstd returns the compressor "zstd" (RFC 8878) at its fastest level. It runs on the caller's
// goroutine alone.
//
// What it keeps for reuse belongs to the place it was first used in: a compressor used
// inside a testing/synctest bubble must not be used outside of it.
func Zstd() Compressor {
	c := new(zstdCompressor)
	c.encoders.New = func() any {
		e, err := zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow),
			zstd.WithLowerEncoderMem(true),
			zstd.WithZeroFrames(true),  // an empty message is a frame too, as other decoders want it
			zstd.WithEncoderCRC(false), // TLS and TCP have theirs
		)
		if err != nil {
			panic("BUG: zstd encoder options: " + err.Error())
		}
		return e
	}
	c.decoders.New = func() any {
		d, err := zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			// The one bound on output: what is given to DecodeAll is never outgrown. The output is
			// the window too, so that what a frame says of its window costs nothing.
			zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxMemory(math.MaxInt64),
			zstd.WithDecoderMaxWindow(zstd.MaxWindowSize),
		)
		if err != nil {
			panic("BUG: zstd decoder options: " + err.Error())
		}
		return d
	}
	return c
}

type zstdCompressor struct {
	encoders sync.Pool // of *zstd.Encoder
	decoders sync.Pool // of *zstd.Decoder
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
	d := c.decoders.Get().(*zstd.Decoder)
	defer c.decoders.Put(d)
	for room := zstdFirstRoom(dst, src, most); ; room = zstdNextRoom(room, most) {
		out := slices.Grow(dst, room)
		got, err := d.DecodeAll(src, out[len(dst):len(dst):len(dst)+room])
		switch {
		case err == nil && len(got) <= room:
			return out[:len(dst)+len(got)], nil // the cap limit holds: got was not moved
		case err != nil && !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return dst, fmt.Errorf("encoding: zstd decompress: %w", err)
		case room < most:
			continue
		case most == limit:
			return dst, &LimitError{"zstd", limit}
		default:
			return dst, fmt.Errorf("encoding: zstd decompress: %w: a frame of %d bytes cannot hold what it claims", err, len(src))
		}
	}
}

// zstdMost returns the most bytes that n bytes of zstd can expand to: a block of 128 KiB
// (RFC 8878 §3.1.1.2.4) takes 4 bytes, those of an RLE block. Without this bound a claim would
// be believed where the caller sets no limit.
func zstdMost(n int) int {
	const block, blockSource = 128 << 10, 4
	if n > math.MaxInt/block {
		return math.MaxInt
	}
	return (n/blockSource + 1) * block
}

// zstdFirstRoom returns how many bytes to decode into at first: what the frame says it holds,
// or room enough for the usual message. Whether the frame is telling the truth the decoder
// finds out; a claim costs at most what a frame of that size can make true.
func zstdFirstRoom(dst, src []byte, most int) int {
	var h zstd.Header
	if err := h.Decode(src); err == nil && h.HasFCS {
		return int(min(h.FrameContentSize, uint64(most)))
	}
	return min(most, max(cap(dst)-len(dst), 8*len(src), 4<<10))
}

// zstdNextRoom grows fourfold, so that starting over costs a third on top of the last,
// successful attempt.
func zstdNextRoom(room, most int) int {
	if room > most/4 {
		return most
	}
	return max(4*room, min(most, 4<<10))
}
