//go:build !plan9

package serve

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// removeStale removes the file of a unix socket that nothing listens on, and reports whether it
// did. Nothing is removed that is not a socket, nor one whose server is only too busy to accept.
func removeStale(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = nc.Close() // it is alive, which is all that was asked
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) && os.Remove(path) == nil
}
