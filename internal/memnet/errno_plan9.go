package memnet

import "syscall"

// Plan 9's errors are texts.
const (
	errInUse   = syscall.ErrorString("address in use")
	errPipe    = syscall.ErrorString("i/o on hungup channel")
	errRefused = syscall.ErrorString("connection refused")
	errReset   = syscall.ErrorString("connection reset")
)
