package http2

import (
	"os"
	"sync"
	"syscall"
)

// A rawWrite is the argument and the result of a function that RawConn.Write calls. They are lent
// for one write: an idle connection holds none.
type rawWrite struct {
	p     []byte
	n     int
	err   error
	ready func(fd uintptr) bool // w.write, made once
}

var rawWrites = sync.Pool{New: func() any {
	w := new(rawWrite)
	w.ready = w.write
	return w
}}

// writeRaw writes what the socket takes of p without blocking.
func writeRaw(raw syscall.RawConn, p []byte) (int, error) {
	w := rawWrites.Get().(*rawWrite)
	w.p = p
	err := raw.Write(w.ready)
	if err == nil {
		err = w.err
	}
	n := w.n
	*w = rawWrite{ready: w.ready}
	rawWrites.Put(w)
	return n, err
}

// write is called by RawConn.Write. It never asks to wait.
func (w *rawWrite) write(fd uintptr) bool {
	for w.n < len(w.p) {
		n, err := rawWriteFD(fd, w.p[w.n:])
		if n > 0 {
			w.n += n
		}
		if err == errIntr {
			continue
		}
		if err != nil {
			if err != errAgain {
				w.err = os.NewSyscallError("write", err)
			}
			break
		}
	}
	return true
}
