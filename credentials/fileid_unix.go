//go:build unix

package credentials

import (
	"io/fs"
	"syscall"
)

// fileID tells files of one path apart whose size and time are the same, as a Kubernetes volume's
// may be.
type fileID struct{ device, inode uint64 }

func idOf(info fs.FileInfo) fileID {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{uint64(s.Dev), uint64(s.Ino)} // the types differ between systems
	}
	return fileID{}
}
