package encoding

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// Gzip returns the compressor "gzip" (RFC 1952) at its fastest level: on text it took 0.4 of the
// time of level 6. A message being compressed needs 0.8 MB beside its buffers, one being
// expanded 40 KB; both are kept for the next.
func Gzip() Compressor { return newGzip(gzip.BestSpeed) }

// GzipLevel is Gzip at a level from 1 (fastest) to 9 (smallest).
func GzipLevel(level int) (Compressor, error) {
	if level < gzip.BestSpeed || level > gzip.BestCompression {
		return nil, fmt.Errorf("encoding: gzip: level %d is not between %d and %d", level, gzip.BestSpeed, gzip.BestCompression)
	}
	return newGzip(level), nil
}

// gzipCompressor keeps its writers and readers, which are large, in pools.
type gzipCompressor struct {
	writers sync.Pool // of *gzipWriter
	readers sync.Pool // of *gzipReader
}

type gzipWriter struct {
	z   *gzip.Writer
	out appender
}

type gzipReader struct {
	z       gzip.Reader
	in      bytes.Reader
	scratch [64]byte // for looking past a full buffer without growing it
}

// appender is a writer to the end of a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

func newGzip(level int) *gzipCompressor {
	c := new(gzipCompressor)
	c.writers.New = func() any {
		w := new(gzipWriter)
		w.z, _ = gzip.NewWriterLevel(&w.out, level) // fails for levels out of range only
		return w
	}
	c.readers.New = func() any { return new(gzipReader) }
	return c
}

func (*gzipCompressor) Name() string { return "gzip" }

func (c *gzipCompressor) Compress(dst, src []byte) ([]byte, error) {
	w := c.writers.Get().(*gzipWriter)
	w.out.b = dst
	w.z.Reset(&w.out)
	_, err := w.z.Write(src)
	if err == nil {
		err = w.z.Close()
	}
	out := w.out.b
	w.out.b = nil // the buffer is the caller's
	c.writers.Put(w)
	if err != nil {
		return dst, fmt.Errorf("encoding: gzip compress: %w", err)
	}
	return out, nil
}

func (c *gzipCompressor) Decompress(dst, src []byte, limit int) ([]byte, error) {
	r := c.readers.Get().(*gzipReader)
	out, err := r.decompress(dst, src, limit)
	r.in.Reset(nil)
	c.readers.Put(r)
	switch err := err.(type) {
	case nil:
		return out, nil
	case *LimitError:
		return dst, err
	default:
		return dst, fmt.Errorf("encoding: gzip decompress: %w", err)
	}
}

// SizeHint implements Sizer.
func (c *gzipCompressor) SizeHint(src []byte) int { return gzipSizeHint(src) }

func (r *gzipReader) decompress(dst, src []byte, limit int) ([]byte, error) {
	r.in.Reset(src)
	if err := r.z.Reset(&r.in); err != nil {
		return nil, noEOF(err)
	}
	end := math.MaxInt // the length out must not exceed
	if limit >= 0 && limit < end-len(dst) {
		end = len(dst) + limit
	}
	out := slices.Grow(dst, min(gzipSizeHint(src), end-len(dst)))
	for {
		room := out[len(out):min(cap(out), end)]
		if len(room) == 0 {
			room = r.scratch[:]
		}
		n, err := r.z.Read(room)
		if n > 0 && &room[0] == &r.scratch[0] {
			if n > end-len(out) {
				return nil, &LimitError{"gzip", limit}
			}
			out = append(out, room[:n]...)
		} else {
			out = out[:len(out)+n]
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, noEOF(err)
		}
	}
}

// gzipSizeHint returns what the trailer says about the size, which is right for one
// member of less than 4 GiB (RFC 1952 §2.3.1, ISIZE), but never more than deflate can make of
// src: a claim must not cost more than keeping it would.
func gzipSizeHint(src []byte) int {
	const mostRatio = 1032 // 258 bytes of a match from 2 bits
	if len(src) < 18 {     // header and trailer
		return 0
	}
	size := uint64(binary.LittleEndian.Uint32(src[len(src)-4:]))
	return int(min(size, uint64(len(src))*mostRatio, math.MaxInt32))
}

// noEOF keeps a source that is cut off from looking like a clean end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
