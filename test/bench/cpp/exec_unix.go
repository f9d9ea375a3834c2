//go:build unix

package cpp

import (
	"os"
	"syscall"
)

func execve(binary string, argv []string) error {
	return syscall.Exec(binary, argv, os.Environ())
}
