package conformance

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/naru-rpc/naru/encoding"
)

// Compressors returns all that the suite knows. The runtime has only gzip and zstd built in.
func Compressors() []encoding.Compressor {
	return []encoding.Compressor{
		encoding.Gzip(),
		encoding.Zstd(),
		&streamCompressor{
			name:   "br",
			reader: func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
			writer: func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		},
		// HTTP calls zlib's format (RFC 1950) deflate, and gRPC and Connect with it.
		&streamCompressor{
			name:   "deflate",
			reader: func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
			writer: func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		},
		// The framed format, not that of blocks.
		&streamCompressor{
			name:   "snappy",
			reader: func(r io.Reader) (io.Reader, error) { return snappy.NewReader(r), nil },
			writer: func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) },
		},
	}
}

// A streamCompressor is a compressor made of a reader and a writer. It is immutable.
type streamCompressor struct {
	name   string
	reader func(io.Reader) (io.Reader, error)
	writer func(io.Writer) io.WriteCloser
}

// Name implements encoding.Compressor.
func (c *streamCompressor) Name() string { return c.name }

// Compress implements encoding.Compressor.
func (c *streamCompressor) Compress(dst, src []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w := c.writer(out)
	_, err := w.Write(src)
	if err := errors.Join(err, w.Close()); err != nil {
		return dst, fmt.Errorf("%s compress: %w", c.name, err)
	}
	return out.Bytes(), nil
}

// Decompress implements encoding.Compressor.
func (c *streamCompressor) Decompress(dst, src []byte, limit int) ([]byte, error) {
	r, err := c.reader(bytes.NewReader(src))
	if err != nil {
		return dst, fmt.Errorf("%s decompress: %w", c.name, err)
	}
	if limit >= 0 {
		r = io.LimitReader(r, int64(limit)+1)
	}
	out := bytes.NewBuffer(dst)
	n, err := out.ReadFrom(r)
	switch {
	case err != nil:
		return dst, fmt.Errorf("%s decompress: %w", c.name, err)
	case limit >= 0 && n > int64(limit):
		return dst, &encoding.LimitError{Compressor: c.name, Limit: limit}
	}
	return out.Bytes(), nil
}
