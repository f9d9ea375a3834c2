//go:build unix

package http2

import (
	"net"
	"syscall"
)

// rawConn returns access to the descriptor of a plain socket. Only the standard library's own
// types are taken: a type that wraps one may mean something by its Read and Write.
func rawConn(nc net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func rawReadFD(fd uintptr, p []byte) (int, error)  { return syscall.Read(int(fd), p) }
func rawWriteFD(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }

const (
	errAgain = syscall.EAGAIN
	errIntr  = syscall.EINTR
)
