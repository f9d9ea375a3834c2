//go:build !plan9 && !wasip1

package channel

import (
	"errors"
	"syscall"
)

func hostDown(err error) bool { return errors.Is(err, syscall.EHOSTDOWN) }
