//go:build !unix

package http2

import (
	"errors"
	"net"
	"syscall"
)

// Without descriptors that read and write without blocking, connections use the portable
// path: a blocking read loop, and writes by the writer goroutine.

func rawConn(net.Conn) syscall.RawConn { return nil }

func rawReadFD(uintptr, []byte) (int, error)  { panic("BUG: raw read without a raw connection") }
func rawWriteFD(uintptr, []byte) (int, error) { panic("BUG: raw write without a raw connection") }

// Never returned by anything; not every system has errno values.
var (
	errAgain = errors.New("no raw connections: would block")
	errIntr  = errors.New("no raw connections: interrupted")
)
