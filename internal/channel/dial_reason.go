//go:build !plan9

package channel

import (
	"errors"
	"syscall"

	"github.com/naru-rpc/naru/connectivity"
)

// dialReason reads the operating system's answer.
func dialReason(err error) connectivity.Reason {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return connectivity.Refused // ENOENT: the file of a unix socket
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), hostDown(err):
		return connectivity.Unreachable
	case errors.Is(err, syscall.ETIMEDOUT):
		return connectivity.ConnectTimeout
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return connectivity.Resources
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return connectivity.Reset
	}
	return connectivity.Other
}
