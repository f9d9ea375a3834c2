package http2

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/naru-rpc/naru/internal/mem"
)

// readChunk is the size of one read: the largest frame but DATA, which is passed on in pieces, and
// many small calls fit.
const readChunk = 64 << 10

// input is the bytes received and not yet processed. A connection that waits for more holds no
// buffer.
type input struct {
	buf *mem.Buf // nil while nothing is unprocessed
	pos int      // processed bytes of buf

	// where readiness cannot be awaited without a buffer
	small []byte // receives the first bytes of a read
	more  bool   // the last read filled small, so that more is likely available

	// with a raw connection
	onReady func(fd uintptr) bool // readReady, made once
	n       int                   // its results
	err     error
}

func (in *input) unread() []byte { return in.buf.B[in.pos:] }

// compact moves an incomplete frame to the front of the buffer and returns its size so far. It
// frees an empty buffer.
func (in *input) compact() int {
	left := in.unread()
	if len(left) == 0 {
		in.free()
	} else {
		in.buf.B = in.buf.B[:copy(in.buf.B, left)]
	}
	in.pos = 0
	return len(left)
}

func (in *input) free() {
	in.buf.Free()
	in.buf = nil
}

// fill reads at least one byte more, from nc or, if that is not nil, from its raw connection.
func (in *input) fill(nc net.Conn, raw syscall.RawConn) error {
	if raw != nil {
		in.n, in.err = 0, nil
		if err := raw.Read(in.onReady); err != nil {
			return err
		}
		if in.n == 0 && in.err == nil {
			return io.EOF
		}
		return in.err
	}
	if in.buf == nil && !in.more {
		return in.fillSmall(nc)
	}
	in.more = false
	if in.buf == nil {
		in.buf = mem.Get(readChunk)
	}
	b := in.buf
	n, err := nc.Read(b.B[len(b.B):cap(b.B)])
	b.B = b.B[:len(b.B)+n]
	if n > 0 {
		return nil
	}
	return err
}

// fillSmall waits with a few bytes of its own, so that an idle connection holds no buffer. There
// are likely more, but a read for them may block: those that came are processed first, as batch
// copes with parts of a frame. Then TLS or a pipe has the rest available, which is worth a real
// buffer.
func (in *input) fillSmall(nc net.Conn) error {
	if in.small == nil {
		in.small = make([]byte, 64)
	}
	n, err := nc.Read(in.small)
	if n == 0 {
		return err
	}
	in.buf = mem.Get(readChunk)
	in.buf.B = append(in.buf.B, in.small[:n]...)
	in.more = n == len(in.small) && err == nil
	return nil
}

// readReady is called by RawConn.Read until it returns true. The buffer is taken for the attempt
// only.
func (in *input) readReady(fd uintptr) bool {
	if in.buf == nil {
		in.buf = mem.Get(readChunk)
	}
	b := in.buf
	for {
		n, err := rawReadFD(fd, b.B[len(b.B):cap(b.B)])
		switch {
		case err == errIntr:
			continue
		case err == errAgain:
			if len(b.B) == 0 {
				in.free()
			}
			return false
		case err != nil:
			in.err = os.NewSyscallError("read", err)
		default:
			in.n = n
			b.B = b.B[:len(b.B)+n]
		}
		return true
	}
}
