package encoding

import (
	"fmt"
	"slices"
)

// A Compressor makes messages smaller. Implementations are safe for concurrent use, append to
// buffers they are given, and keep none.
type Compressor interface {
	// Name is the value of grpc-encoding: "gzip". Lower-case.
	Name() string

	// Compress appends src, compressed, to dst and returns the extended slice; on error, dst.
	// The two must not overlap.
	Compress(dst, src []byte) ([]byte, error)

	// Decompress appends what src expands to, which may be limit bytes at most, to dst and returns
	// the extended slice; on error, dst. The two must not overlap. It stops as soon as there is
	// more than limit, with a *LimitError, whatever src claims about its size: memory and work
	// beyond dst are bounded by the limit. 0 allows empty messages only; less than 0 means no
	// limit.
	Decompress(dst, src []byte, limit int) ([]byte, error)
}

// A Sizer is a Compressor that can often tell beforehand how much a message expands to, so that
// the buffer for it is right from the start. Optional.
type Sizer interface {
	// SizeHint returns about how many bytes src expands to, 0 if that is not known. src may be
	// anything: what it claims is to be bounded by what its length can expand to.
	SizeHint(src []byte) int
}

// LimitError says that a compressed message expands to more than the limit.
type LimitError struct {
	Compressor string // the compressor's name
	Limit      int    // what Decompress was given, in bytes
}

// Error names the compressor and the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("encoding: %s decompress: message expands to more than the limit of %d bytes", e.Compressor, e.Limit)
}

// grow returns dst with n more bytes of length, their contents unspecified.
func grow(dst []byte, n int) []byte {
	return slices.Grow(dst, n)[:len(dst)+n]
}
