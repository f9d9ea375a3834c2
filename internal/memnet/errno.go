//go:build !plan9

package memnet

import "syscall"

// What the operating system would say.
const (
	errInUse   = syscall.EADDRINUSE
	errPipe    = syscall.EPIPE
	errRefused = syscall.ECONNREFUSED
	errReset   = syscall.ECONNRESET
)
